#include "testkit/memory_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "core/calendar.h"
#include "core/error.h"

namespace syncflow::testkit {
namespace {

using sql::RowQuery;

constexpr std::string_view kBelowAll = "-infinity";
constexpr std::string_view kAboveAll = "infinity";

bool is_below_all(const Value& cursor) { return cursor.type() == Type::native && cursor.view() == kBelowAll; }
bool is_proper(const Value& cursor) { return !cursor.is_null() && !is_below_all(cursor); }

/// Of proper cursors.
std::strong_ordering compare_cursors(const Value& a, const Value& b) {
  const bool a_infinite = a.type() == Type::native;
  const bool b_infinite = b.type() == Type::native;
  if (a_infinite || b_infinite) return a_infinite <=> b_infinite;
  return compare(a, b);
}

int range_of(const std::vector<Value>& key, int bits) {
  return bits == 0 ? 0 : static_cast<int>(hash_row(key).high >> (64 - bits));
}

std::int64_t unit_of(const Field& field) {
  std::int64_t unit = 1'000'000;
  for (int digit = 0; digit < field.precision.value_or(6) && unit > 1; ++digit) unit /= 10;
  return unit;
}

}  // namespace

/// What a RowQuery asks of a row, with its texts parsed once.
class MemoryReader::Condition {
 public:
  Condition(const MemoryReader& reader, const RowQuery& query) : reader_(reader), query_(query) {
    if (query.cursor_from) from_ = reader.cursor_value(*query.cursor_from, arena_);
    if (query.cursor_to) to_ = reader.cursor_value(*query.cursor_to, arena_);
    if (query.cursor_above) above_ = reader.cursor_value(*query.cursor_above, arena_);
    if (query.above) {
      pair_cursor_ = reader.cursor_value(query.above->first, arena_);
      pair_key_ = parse_key(*reader.schema_, query.above->second, arena_);
    }
    if (!query.null_field.empty()) null_column_ = reader.database_.schema(reader.table_).at(query.null_field);
    if (query.key_above) key_above_ = parse_key(*reader.schema_, *query.key_above, arena_);
    for (const Key& key : query.keys) keys_.push_back(parse_key(*reader.schema_, key, arena_));
    std::sort(keys_.begin(), keys_.end(), [](const auto& a, const auto& b) { return collate(a, b) < 0; });
  }

  bool holds(const StoredRow& row) const {
    if (reader_.cursor_column_ && !holds_of_cursor(row.cells()[*reader_.cursor_column_], row)) return false;
    if (null_column_ && !row.cells()[*null_column_].is_null()) return false;
    if (!key_above_ && query_.keys.empty() && query_.ranges.bits == 0) return true;
    const std::vector<Value> key = cells_at(row, reader_.key_columns_);
    const auto& ranges = query_.ranges.numbers;
    if (query_.ranges.bits > 0 &&
        !std::binary_search(ranges.begin(), ranges.end(), range_of(key, query_.ranges.bits)))
      return false;
    if (key_above_ && !is_above(key, *key_above_)) return false;
    return query_.keys.empty() ||
           std::binary_search(keys_.begin(), keys_.end(), key,
                              [](const auto& a, const auto& b) { return collate(a, b) < 0; });
  }

 private:
  bool holds_of_cursor(const Value& cursor, const StoredRow& row) const {
    const bool proper = is_proper(cursor);
    if (query_.cursors == RowQuery::Cursors::proper && !proper) return false;
    if (query_.cursors == RowQuery::Cursors::none && proper) return false;
    // As in SQL, a comparison with null is not true.
    if ((from_ || to_ || above_ || pair_cursor_) && !proper) return false;
    if (from_ && compare_cursors(cursor, *from_) < 0) return false;
    if (to_ && compare_cursors(cursor, *to_) > 0) return false;
    if (above_ && compare_cursors(cursor, *above_) <= 0) return false;
    if (!pair_cursor_) return true;
    if (const auto order = compare_cursors(cursor, *pair_cursor_); order != 0) return order > 0;
    return collate(cells_at(row, reader_.key_columns_), pair_key_) > 0;
  }

  bool is_above(const std::vector<Value>& key, const std::vector<Value>& low) const {
    if (query_.order != RowQuery::Order::canonical) return collate(key, low) > 0;
    for (std::size_t i = 0; i < key.size(); ++i)
      if (const auto order = compare(key[i], low[i]); order != 0) return order > 0;
    return false;
  }

  const MemoryReader& reader_;
  const RowQuery& query_;
  Arena arena_;
  std::optional<Value> from_, to_, above_, pair_cursor_;
  std::vector<Value> pair_key_;
  std::optional<std::vector<Value>> key_above_;
  std::vector<std::vector<Value>> keys_;
  std::optional<std::size_t> null_column_;
};

class MemoryStream : public sql::RowStream {
 public:
  MemoryStream(MemoryReader& reader, std::vector<RowPointer> rows, bool keys_only)
      : reader_(reader), rows_(std::move(rows)), keys_only_(keys_only) {
    ++reader_.live_streams_;
  }
  ~MemoryStream() override { --reader_.live_streams_; }

  bool read(Batch& batch, std::size_t max_rows, std::size_t max_bytes) override {
    reader_.made(Call::read);
    const std::size_t piece = reader_.database_.piece_rows();
    for (std::size_t handed = 0; batch.rows() < max_rows && batch.size_bytes() < max_bytes; ++handed) {
      if (next_ == rows_.size()) return false;
      if (piece != 0 && handed == piece) return true;
      append(*rows_[next_++], batch);
    }
    return true;
  }

  std::string last_cursor() const override { return last_cursor_; }

 private:
  void append(const StoredRow& row, Batch& batch) {
    if (reader_.cursor_column_) last_cursor_ = reader_.exact_text(row.cells()[*reader_.cursor_column_]);
    const auto refusal =
        keys_only_ ? std::nullopt : reader_.database_.refusal_of_reading(reader_.table_, row.cells());
    Change& change = batch.add(keys_only_ ? Operation::remove : Operation::upsert);
    for (std::size_t i = 0; i < reader_.columns_.size(); ++i)
      if (!(keys_only_ || refusal) || is_key(i))
        change.row[i] = row.cells()[reader_.columns_[i]].copied_to(batch.arena());
    if (refusal) batch.refuse(refusal->field, refusal->reason);
  }

  bool is_key(std::size_t field) const {
    const auto& key = reader_.schema_->key;
    return std::find(key.begin(), key.end(), field) != key.end();
  }

  MemoryReader& reader_;
  const std::vector<RowPointer> rows_;
  const bool keys_only_;
  std::size_t next_ = 0;
  std::string last_cursor_;
};

MemoryReader::MemoryReader(MemoryDatabase& database, const SourceSpec& spec, std::stop_token stop)
    : database_(database), table_(spec.table), stop_(std::move(stop)), info_(database.table(spec.table)) {
  const Schema all = database.schema(spec.table);
  if (!spec.key.empty()) info_.key = spec.key;
  const auto is_wanted = [&](const std::string& name) {
    return spec.fields.empty() || name == spec.cursor ||
           std::find(spec.fields.begin(), spec.fields.end(), name) != spec.fields.end() ||
           std::find(info_.key.begin(), info_.key.end(), name) != info_.key.end();
  };
  for (const std::string& name : spec.fields) all.at(name);
  Schema schema;
  schema.provider = all.provider;
  schema.table = all.table;
  for (std::size_t i = 0; i < all.fields.size(); ++i) {
    if (!is_wanted(all.fields[i].name)) continue;
    schema.fields.push_back(all.fields[i]);
    columns_.push_back(i);
  }
  for (const std::string& name : info_.key) {
    schema.key.push_back(schema.at(name));
    key_columns_.push_back(all.at(name));
  }
  if (!spec.cursor.empty()) cursor_column_ = all.at(spec.cursor);
  schema_ = std::make_shared<const Schema>(std::move(schema));
}

void MemoryReader::made(Call call) const {
  database_.calls().made(call, table_);
  if (call != Call::read) must_be_free();
  if (stop_.stop_requested())
    throw Error(ErrorKind::cancelled, "asked to stop reading memory table " + table_);
}

void MemoryReader::must_be_free() const {
  if (live_streams_ > 0)
    throw Error(
        ErrorKind::bug,
        fmt::format("memory table {} was asked something while a result is still being read", table_));
}

std::string MemoryReader::identity() {
  must_be_free();
  return database_.identity(table_);
}

sql::Mark MemoryReader::mark() {
  made(Call::mark);
  return database_.mark(table_, [&](sql::Mark& mark, const Rows& rows) {
    const RowPointer* top = nullptr;
    if (cursor_column_ && cursor_kind() == sql::CursorKind::ascending)
      for (const RowPointer& row : rows) {
        const Value& cursor = row->cells()[*cursor_column_];
        if (is_proper(cursor) && (!top || compare_cursors(cursor, (*top)->cells()[*cursor_column_]) > 0))
          top = &row;
      }
    if (top) mark.top_cursor = exact_text((*top)->cells()[*cursor_column_]);
    if (cursor_column_ && cursor_nullable() && key_ascends() && !rows.empty())
      mark.top_key = key_at((*rows.rbegin())->cells(), key_columns_);
  });
}

std::set<std::string> MemoryReader::open_now() {
  made(Call::open_now);
  return database_.open_now();
}

Time MemoryReader::now() {
  must_be_free();
  return database_.now();
}

sql::CursorKind MemoryReader::cursor_kind() const {
  switch (info_.fields.at(cursor_column_.value()).type) {
    case Type::timestamp_tz: return sql::CursorKind::time;
    case Type::int64: return sql::CursorKind::ascending;
    default:
      throw Error(ErrorKind::bad_config, fmt::format("field {} of memory table {} cannot be a cursor",
                                                     info_.fields[*cursor_column_].name, table_));
  }
}

bool MemoryReader::cursor_nullable() const { return info_.fields.at(cursor_column_.value()).nullable; }
bool MemoryReader::key_ascends() const { return info_.key_ascends; }

Value MemoryReader::cursor_at(Time time) const {
  const std::int64_t unit = unit_of(info_.fields.at(cursor_column_.value()));
  return Value::timestamp_tz(floor_divide(time.time_since_epoch().count(), unit) * unit);
}

std::string MemoryReader::cursor_text(Time time) const { return exact_text(cursor_at(time)); }

std::string MemoryReader::exact_text(const Value& cursor) const {
  switch (cursor.type()) {
    case Type::null: return "";
    case Type::native: return std::string(cursor.view());
    case Type::int64: return fmt::format("#{}", cursor.as_int64());
    default: return fmt::format("@{}.{:03}", cursor.as_int64(), cursor.nanoseconds());
  }
}

Value MemoryReader::cursor_value(const std::string& exact, Arena& arena) const {
  if (exact == kAboveAll || exact == kBelowAll) return Value::native(arena.copy(exact));
  const char* const end = exact.data() + exact.size();
  std::int64_t number = 0;
  if (exact.size() < 2 || (exact[0] != '#' && exact[0] != '@'))
    throw Error(ErrorKind::bug, fmt::format("\"{}\" is no exact text of memory table {}", exact, table_));
  const auto [point, problem] = std::from_chars(exact.data() + 1, end, number);
  if (problem == std::errc() && exact[0] == '#' && point == end) return Value::of(number);
  unsigned nanoseconds = 0;
  if (problem == std::errc() && exact[0] == '@' && point != end && *point == '.')
    if (std::from_chars(point + 1, end, nanoseconds).ptr == end)
      return Value::timestamp_tz(number, nanoseconds);
  throw Error(ErrorKind::bug, fmt::format("\"{}\" is no exact text of memory table {}", exact, table_));
}

std::vector<RowPointer> MemoryReader::rows_of(const RowQuery& query) const {
  const Condition condition(*this, query);
  std::vector<RowPointer> rows =
      database_.snapshot(table_, [&](const StoredRow& row) { return condition.holds(row); });
  sort(rows, query.order);
  if (query.backwards) std::reverse(rows.begin(), rows.end());
  if (query.limit != 0 && rows.size() > query.limit) rows.resize(query.limit);
  return rows;
}

void MemoryReader::sort(std::vector<RowPointer>& rows, RowQuery::Order order) const {
  const auto by_key = [&](const RowPointer& a, const RowPointer& b) { return RowOrder{key_columns_}(a, b); };
  switch (order) {
    case RowQuery::Order::none:
      // Databases promise no order here, so none that could be relied upon by mistake is given.
      std::reverse(rows.begin(), rows.end());
      return;
    case RowQuery::Order::key: std::sort(rows.begin(), rows.end(), by_key); return;
    case RowQuery::Order::cursor:
      std::sort(rows.begin(), rows.end(), [&](const RowPointer& a, const RowPointer& b) {
        const auto cursor = compare_cursors(a->cells()[*cursor_column_], b->cells()[*cursor_column_]);
        return cursor != 0 ? cursor < 0 : by_key(a, b);
      });
      return;
    case RowQuery::Order::canonical:
      std::sort(rows.begin(), rows.end(), [&](const RowPointer& a, const RowPointer& b) {
        for (const std::size_t column : key_columns_)
          if (const auto key = compare(a->cells()[column], b->cells()[column]); key != 0) return key < 0;
        return false;
      });
      return;
  }
}

std::unique_ptr<sql::RowStream> MemoryReader::select(const RowQuery& query) {
  made(Call::select);
  return std::make_unique<MemoryStream>(*this, rows_of(query), query.keys_only);
}

bool MemoryReader::exists(const RowQuery& query) {
  made(Call::exists);
  return !rows_of(query).empty();
}

std::size_t MemoryReader::count(const RowQuery& query, std::size_t limit) {
  must_be_free();
  return std::min(limit, rows_of(query).size());
}

std::string MemoryReader::hash_form(const std::vector<std::string>& fields) {
  must_be_free();
  if (!database_.hashes()) return "";
  const Schema all = database_.schema(table_);
  std::string form = "memory";
  for (const std::string& name : fields) form += fmt::format(" {}", name_of(all.fields[all.at(name)].type));
  for (const std::string& name : info_.key)
    form += fmt::format(" {}", std::find(fields.begin(), fields.end(), name) - fields.begin());
  return form;
}

std::vector<RangeHash> MemoryReader::hash_ranges(const RowQuery& query,
                                                 const std::vector<std::string>& fields, int bits) {
  made(Call::hash);
  const Schema all = database_.schema(table_);
  std::vector<std::size_t> columns;
  for (const std::string& name : fields) columns.push_back(all.at(name));
  struct Sum {
    std::int64_t rows = 0;
    std::uint64_t low = 0, high = 0;
  };
  std::map<int, Sum> sums;
  for (const RowPointer& row : rows_of(query)) {
    Sum& sum = sums[range_of(cells_at(*row, key_columns_), bits)];
    const RowHash hash = hash_row(cells_at(*row, columns));
    ++sum.rows;
    sum.low += hash.low;
    sum.high += hash.high;
  }
  std::vector<RangeHash> ranges;
  for (const auto& [number, sum] : sums)
    ranges.push_back({number, sum.rows, fmt::format("{:x} {:x}", sum.high, sum.low)});
  return ranges;
}

}  // namespace syncflow::testkit
