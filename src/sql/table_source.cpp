#include "sql/table_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "sql/cursor_source.h"
#include "sql/diff_source.h"

namespace syncflow::sql {
namespace {

/// Keys of one `fetch` query: their parameters stay below every database's limit.
constexpr std::size_t kKeysPerQuery = 500;

}  // namespace

TableSource::TableSource(const SourceSpec& spec, std::unique_ptr<TableReader> reader, Clock& clock)
    : spec_(spec), reader_(std::move(reader)), clock_(clock) {
  for (const std::size_t index : schema()->key) key_names_.push_back(schema()->fields[index].name);
  if (key_names_.empty())
    throw Error(
        ErrorKind::bad_config,
        fmt::format(
            "table {} has no primary key: name the fields that identify a row under \"key\", or add one",
            spec.table));
}

Batch TableSource::fetch(const std::vector<Key>& keys, std::size_t max_bytes) {
  stop_reading();
  Batch batch(schema());
  for (std::size_t from = 0; from < keys.size(); from += kKeysPerQuery) {
    RowQuery query;
    const auto first = keys.begin() + static_cast<std::ptrdiff_t>(from);
    query.keys.assign(first,
                      first + static_cast<std::ptrdiff_t>(std::min(kKeysPerQuery, keys.size() - from)));
    const auto rows = reader_->select(query);
    while (rows->read(batch, SIZE_MAX, max_bytes))
      if (keys.size() > 1 && batch.size_bytes() >= max_bytes) return batch;
  }
  batch.caught_up = true;
  return batch;
}

Batch TableSource::scan_keys(const std::optional<Key>& after, std::size_t max_rows) {
  return scan(true, after, max_rows, SIZE_MAX);
}

Batch TableSource::scan_rows(const std::optional<Key>& after, std::size_t max_rows, std::size_t max_bytes) {
  return scan(false, after, max_rows, max_bytes);
}

Batch TableSource::scan(bool keys_only, const std::optional<Key>& after, std::size_t max_rows,
                        std::size_t max_bytes) {
  const bool goes_on = scan_.stream && scan_.keys_only == keys_only && scan_.after == after &&
                       clock_.monotonic() - scan_.since <= kSnapshotAge;
  if (!goes_on) begin_scan(keys_only, after);
  Batch batch(schema());
  bool more = true;
  while (more && batch.rows() < max_rows && batch.size_bytes() < max_bytes)
    more = scan_.stream->read(batch, max_rows, max_bytes);
  batch.caught_up = !more;
  if (!more) stop_scanning();
  if (!batch.changes.empty()) scan_.after = key_of(*schema(), batch.changes.back());
  return batch;
}

/// Where the engine cannot sort by an index it sorts once for the whole scan, not for each page.
void TableSource::begin_scan(bool keys_only, const std::optional<Key>& after) {
  stop_reading();
  RowQuery query;
  query.order = RowQuery::Order::canonical;
  query.key_above = after;
  query.keys_only = keys_only;
  query.null_field = spec_.hidden_by;
  query.ranges = scanned_;
  scan_.stream = reader_->select(query);
  scan_.keys_only = keys_only;
  scan_.after = after;
  scan_.since = clock_.monotonic();
}

std::size_t TableSource::count(std::size_t limit) {
  stop_reading();
  return reader_->count({}, limit);
}

std::string TableSource::form(const std::vector<std::string>& fields) {
  stop_reading();
  return reader_->hash_form(fields);
}

std::vector<RangeHash> TableSource::hash(const std::vector<std::string>& fields, int bits) {
  stop_reading();
  RowQuery query;
  query.null_field = spec_.hidden_by;
  return reader_->hash_ranges(query, fields, bits);
}

void TableSource::scan_only(KeyRanges ranges) {
  stop_reading();
  scanned_ = std::move(ranges);
}

bool TableSource::read_rows(const RowQuery& query, Batch& batch, std::size_t max_rows,
                            std::size_t max_bytes) {
  const auto now = clock_.monotonic();
  stop_scanning();
  // A statement that is read for long holds back the server's clean-up: begin a new one where it stands.
  if (stream_ && now - stream_since_ > kSnapshotAge) stop_reading();
  if (!stream_) {
    stream_ = reader_->select(query);
    stream_since_ = now;
  }
  return stream_->read(batch, max_rows, max_bytes);
}

void TableSource::note_identity() { identity_ = reader_->identity(); }

void TableSource::check_belongs(const std::string& identity) {
  note_identity();
  if (identity != identity_)
    throw Error(
        ErrorKind::position_lost,
        fmt::format(
            "table {} is not the one that was read before (it was {}, it is {}): it was dropped and made "
            "anew, or another server answers under this address",
            spec_.table, identity, identity_));
}

std::unique_ptr<Source> open_table_source(const SourceSpec& spec, std::unique_ptr<TableReader> reader,
                                          Clock& clock) {
  switch (spec.strategy) {
    case Strategy::cursor: return std::make_unique<CursorSource>(spec, std::move(reader), clock);
    case Strategy::diff: return std::make_unique<DiffSource>(spec, std::move(reader), clock);
    case Strategy::feed: break;
  }
  throw Error(ErrorKind::bad_config, "strategy feed is not supported yet");
}

}  // namespace syncflow::sql
