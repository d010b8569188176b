#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "provider/source.h"
#include "sql/table_reader.h"

namespace syncflow::sql {

/// Reads a table of a database by strategy `cursor` or `diff`, whatever the database.
///
/// `overlap` of the spec empty: 5 s with Visibility::exact, 5 min with horizon, 15 min with none.
std::unique_ptr<Source> open_table_source(const SourceSpec& spec, std::unique_ptr<TableReader> reader,
                                          Clock& clock);

/// What both strategies share.
class TableSource : public Source, private RangeHashes {
 public:
  TableSource(const SourceSpec& spec, std::unique_ptr<TableReader> reader, Clock& clock);

  const std::shared_ptr<const Schema>& schema() const override { return reader_->schema(); }
  Batch fetch(const std::vector<Key>& keys, std::size_t max_bytes) override;
  Batch scan_keys(const std::optional<Key>& after, std::size_t max_rows) override;
  Batch scan_rows(const std::optional<Key>& after, std::size_t max_rows, std::size_t max_bytes) override;
  std::size_t count(std::size_t limit) override;
  RangeHashes* range_hashes() override { return this; }

 protected:
  /// Appends rows of `query`, which stands for everything after the last row handed out. False: no more.
  bool read_rows(const RowQuery& query, Batch& batch, std::size_t max_rows, std::size_t max_bytes);
  /// Ends the statement in hand; the next `read_rows` begins a new one.
  void stop_reading() {
    stream_.reset();
    stop_scanning();
  }
  /// Ends a scan that may go on: its statement is the connection's only one. Call before anything else is asked.
  void stop_scanning() { scan_.stream.reset(); }
  /// Asks for the table's identity. No statement is in hand.
  void note_identity();
  /// The same. Throws Error(position_lost) unless `identity` is the table's.
  void check_belongs(const std::string& identity);
  /// As it was when it was last asked for.
  const std::string& identity() const { return identity_; }

  const SourceSpec spec_;
  const std::unique_ptr<TableReader> reader_;
  Clock& clock_;
  std::vector<std::string> key_names_;
  std::unique_ptr<RowStream> stream_;

 private:
  static constexpr std::chrono::minutes kSnapshotAge{2};

  /// A scan whose next page, if it is asked for, comes from the same statement.
  struct Scan {
    std::unique_ptr<RowStream> stream;
    bool keys_only = false;
    std::optional<Key> after;  ///< the last key handed out
    std::chrono::steady_clock::time_point since;
  };
  std::string form(const std::vector<std::string>& fields) override;
  std::vector<RangeHash> hash(const std::vector<std::string>& fields, int bits) override;
  void scan_only(KeyRanges ranges) override;
  Batch scan(bool keys_only, const std::optional<Key>& after, std::size_t max_rows, std::size_t max_bytes);
  void begin_scan(bool keys_only, const std::optional<Key>& after);

  Scan scan_;
  KeyRanges scanned_;
  std::chrono::steady_clock::time_point stream_since_;
  std::string identity_;
};

}  // namespace syncflow::sql
