#pragma once

#include <string>

#include "providers/mysql/row_query.h"
#include "providers/mysql/sessions.h"
#include "sql/table_reader.h"

namespace syncflow::mysql {

/// The rows of one SELECT, in a snapshot of their own, as the server sends them.
class RowStream : public sql::RowStream {
 public:
  RowStream(Login& login, const Reading& reading, const sql::RowQuery& query);
  /// A result that was not read to its end costs its login: the server would send all the rest first.
  ~RowStream() override;

  bool read(Batch& batch, std::size_t max_rows, std::size_t max_bytes) override;
  std::string last_cursor() const override { return last_cursor_; }

 private:
  void fetch();
  void append(Batch& batch);
  void refuse(Batch& batch, const std::string& field, const std::string& reason);

  Session& session_;
  const Reading& reading_;
  const bool keys_only_;
  std::vector<Parameter> parameters_;
  std::vector<std::size_t> fields_;  ///< of each cell, the field
  Statement statement_;
  std::string last_cursor_;
  bool ended_ = false;
};

/// A cell of the cursor's column in the server's own notation.
std::string exact_text(const ColumnInfo& column, const Column& sent_as, const Cell& cell);

}  // namespace syncflow::mysql
