#pragma once

#include <optional>
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
  std::string last_cursor() const override;

 private:
  void fetch();
  void append(Batch& batch);
  void keep_cursor(std::size_t index, const Cell& cell);
  void refuse(Batch& batch, const std::string& field, const std::string& reason);

  Session& session_;
  const Reading& reading_;
  const bool keys_only_;
  std::vector<Parameter> parameters_;
  std::vector<std::size_t> fields_;  ///< of each cell, the field
  Statement statement_;
  /// The cursor's cell of the row appended last, as it was sent; its text is asked for once a batch. Empty: null.
  std::optional<std::string> last_cursor_;
  std::size_t cursor_cell_ = 0;  ///< which one that is
  bool ended_ = false;
};

/// A cell of the cursor's column in the server's own notation.
std::string exact_text(const ColumnInfo& column, const Column& sent_as, const Cell& cell);

}  // namespace syncflow::mysql
