#include "testkit/memory_database.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::testkit {
namespace {

std::uint64_t next_server() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

std::string name_of_transaction(std::uint64_t number) { return fmt::format("t{}", number); }

Schema schema_of(const MemoryTable& table) {
  Schema schema;
  schema.provider = "memory";
  schema.table = table.name;
  schema.fields = table.fields;
  for (const std::string& name : table.key) schema.key.push_back(schema.at(name));
  return schema;
}

}  // namespace

Field memory_field(std::string name, Type type, bool nullable) {
  Field field;
  field.name = std::move(name);
  field.type = type;
  field.nullable = nullable;
  field.native = name_of(type);
  return field;
}

Value integer(std::int64_t number) { return Value::of(number); }
Value instant(Time time) { return Value::timestamp_tz(time.time_since_epoch().count()); }

MemoryDatabase::MemoryDatabase() : clock_(nullptr), server_(next_server()) {}
MemoryDatabase::MemoryDatabase(Clock& clock) : clock_(&clock), server_(next_server()) {}
MemoryDatabase::~MemoryDatabase() = default;

Time MemoryDatabase::now() const {
  if (clock_) return clock_->now();
  const std::lock_guard lock(mutex_);
  return now_;
}

void MemoryDatabase::set_now(Time time) {
  const std::lock_guard lock(mutex_);
  now_ = time;
}

void MemoryDatabase::advance(Duration time) {
  const std::lock_guard lock(mutex_);
  now_ += time;
}

const MemoryDatabase::Table& MemoryDatabase::at(const std::string& table) const {
  const auto found = tables_.find(table);
  if (found != tables_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [name, unused] : tables_) names.push_back(name);
  const std::string near = nearest(table, names);
  throw Error(ErrorKind::not_found, fmt::format("the memory database has no table \"{}\"{}", table,
                                                near.empty() ? "" : "; did you mean \"" + near + "\"?"));
}

MemoryDatabase::Table& MemoryDatabase::at(const std::string& table) {
  return const_cast<Table&>(std::as_const(*this).at(table));
}

void MemoryDatabase::create_table(const MemoryTable& table) {
  const Schema schema = schema_of(table);
  const std::lock_guard lock(mutex_);
  if (tables_.count(table.name) != 0)
    throw Error(ErrorKind::bug, fmt::format("memory table {} exists already", table.name));
  Table made;
  made.info = table;
  made.incarnation = ++last_number_;
  made.key = schema.key;
  made.rows = Rows(RowOrder{schema.key});
  tables_.emplace(table.name, std::move(made));
}

void MemoryDatabase::drop_table(const std::string& table) {
  const std::lock_guard lock(mutex_);
  at(table);
  tables_.erase(table);
}

bool MemoryDatabase::has_table(const std::string& table) const {
  const std::lock_guard lock(mutex_);
  return tables_.count(table) != 0;
}

std::vector<std::string> MemoryDatabase::tables() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, unused] : tables_) names.push_back(name);
  return names;
}

MemoryTable MemoryDatabase::table(const std::string& table) const {
  const std::lock_guard lock(mutex_);
  return at(table).info;
}

Schema MemoryDatabase::schema(const std::string& table) const {
  const std::lock_guard lock(mutex_);
  return schema_of(at(table).info);
}

std::string MemoryDatabase::identity(const std::string& table) const {
  const std::lock_guard lock(mutex_);
  return fmt::format("memory-{}/{}#{}", server_, table, at(table).incarnation);
}

void MemoryDatabase::drop_field(const std::string& table, const std::string& field) {
  const std::lock_guard lock(mutex_);
  Table& changed = at(table);
  const auto index = static_cast<std::ptrdiff_t>(schema_of(changed.info).at(field));
  changed.info.fields.erase(changed.info.fields.begin() + index);
  changed.key = schema_of(changed.info).key;  // a key's field cannot be dropped
  Rows rows(RowOrder{changed.key});
  for (const RowPointer& row : changed.rows) {
    MemoryRow cells(row->cells().begin(), row->cells().end());
    cells.erase(cells.begin() + index);
    rows.insert(std::make_shared<const StoredRow>(cells));
  }
  changed.rows = std::move(rows);
}

void MemoryDatabase::add_field(const std::string& table, const Field& field, const Value& in_existing_rows) {
  const std::lock_guard lock(mutex_);
  Table& changed = at(table);
  changed.info.fields.push_back(field);
  Rows rows(RowOrder{changed.key});
  for (const RowPointer& row : changed.rows) {
    MemoryRow cells(row->cells().begin(), row->cells().end());
    cells.push_back(in_existing_rows);
    rows.insert(std::make_shared<const StoredRow>(cells));
  }
  changed.rows = std::move(rows);
}

std::unique_ptr<MemoryTransaction> MemoryDatabase::begin() {
  const Time start = now();
  const std::lock_guard lock(mutex_);
  const std::uint64_t number = ++last_number_;
  open_[number] = {start, false};
  return std::unique_ptr<MemoryTransaction>(new MemoryTransaction(*this, number, start));
}

void MemoryDatabase::put(const std::string& table, const MemoryRow& row) {
  const auto transaction = begin();
  transaction->put(table, row);
  transaction->commit();
}

bool MemoryDatabase::remove(const std::string& table, const MemoryRow& key) {
  const auto transaction = begin();
  const bool found = transaction->remove(table, key);
  transaction->commit();
  return found;
}

bool MemoryDatabase::is_locked(const std::string& table, const MemoryRow& key) const {
  Key text;
  for (const Value& cell : key) text.parts.push_back(to_text(cell));
  const std::lock_guard lock(mutex_);
  return at(table).locks.count(text) != 0;
}

/// The database is locked.
void MemoryDatabase::lock_row(std::uint64_t number, const std::string& table, const Key& key) {
  const auto [owner, is_new] = at(table).locks.emplace(key, number);
  if (!is_new && owner->second != number)
    throw Error(ErrorKind::conflict,
                fmt::format("row {} of memory table {} is being written by another transaction",
                            key.to_json(), table));
  open_.at(number).wrote = true;
}

/// The database is locked.
void MemoryDatabase::release(std::uint64_t number) {
  open_.erase(number);
  for (auto& [name, table] : tables_)
    std::erase_if(table.locks, [&](const auto& entry) { return entry.second == number; });
}

void MemoryDatabase::refuse_reading(const std::string& table, Judge judge) {
  const std::lock_guard lock(mutex_);
  at(table).reading = std::move(judge);
}

void MemoryDatabase::refuse_writing(const std::string& table, Judge judge, RejectionCause cause) {
  const std::lock_guard lock(mutex_);
  at(table).writing = std::move(judge);
  at(table).cause = cause;
}

std::optional<Refusal> MemoryDatabase::refusal_of_reading(const std::string& table,
                                                          std::span<const Value> row) const {
  Judge judge;
  {
    const std::lock_guard lock(mutex_);
    judge = at(table).reading;
  }
  return judge ? judge(row) : std::nullopt;
}

std::optional<std::pair<Refusal, RejectionCause>> MemoryDatabase::refusal_of_writing(
    const std::string& table, std::span<const Value> row) const {
  Judge judge;
  RejectionCause cause;
  {
    const std::lock_guard lock(mutex_);
    judge = at(table).writing;
    cause = at(table).cause;
  }
  const auto refusal = judge ? judge(row) : std::nullopt;
  if (!refusal) return std::nullopt;
  return std::pair{*refusal, cause};
}

MemoryDatabase::Contents MemoryDatabase::contents(const std::string& table,
                                                  const std::vector<std::string>& fields) const {
  const Schema schema = this->schema(table);
  std::vector<RowPointer> rows = snapshot(table);
  std::sort(rows.begin(), rows.end(), [&](const RowPointer& a, const RowPointer& b) {
    for (const std::size_t index : schema.key)
      if (const auto order = compare(a->cells()[index], b->cells()[index]); order != 0) return order < 0;
    return false;
  });
  std::vector<std::size_t> wanted;
  for (const std::string& field : fields) wanted.push_back(schema.at(field));
  if (fields.empty())
    for (std::size_t i = 0; i < schema.fields.size(); ++i) wanted.push_back(i);
  Contents out;
  for (const RowPointer& row : rows) {
    auto& line = out.emplace_back();
    for (const std::size_t index : wanted) {
      const Value& cell = row->cells()[index];
      line.push_back(cell.is_null() ? std::nullopt : std::optional(to_text(cell)));
    }
  }
  return out;
}

std::size_t MemoryDatabase::size(const std::string& table) const {
  const std::lock_guard lock(mutex_);
  return at(table).rows.size();
}

std::size_t MemoryDatabase::writes(const std::string& table, WriteMode mode) const {
  const std::lock_guard lock(mutex_);
  const auto& writes = at(table).writes;
  const auto found = writes.find(mode);
  return found == writes.end() ? 0 : found->second;
}

void MemoryDatabase::count_write(const std::string& table, WriteMode mode) {
  const std::lock_guard lock(mutex_);
  ++at(table).writes[mode];
}

std::vector<RowPointer> MemoryDatabase::snapshot(const std::string& table,
                                                 const std::function<bool(const StoredRow&)>& wanted) const {
  const std::lock_guard lock(mutex_);
  const Table& from = at(table);
  if (!wanted) return {from.rows.begin(), from.rows.end()};
  std::vector<RowPointer> out;
  for (const RowPointer& row : from.rows)
    if (wanted(*row)) out.push_back(row);
  return out;
}

sql::Mark MemoryDatabase::mark_without_tops() const {
  sql::Mark mark;
  const sql::Visibility visibility = visibility_;
  for (const auto& [number, transaction] : open_) {
    const bool exact = visibility == sql::Visibility::exact;
    if (!exact && !(visibility == sql::Visibility::horizon && transaction.wrote)) continue;
    mark.open.insert(name_of_transaction(number));
    if (exact) mark.oldest_start = std::min(mark.oldest_start.value_or(transaction.start), transaction.start);
  }
  return mark;
}

sql::Mark MemoryDatabase::mark(const std::string& table,
                               const std::function<void(sql::Mark&, const Rows&)>& tops) const {
  const Time before = now();
  const std::lock_guard lock(mutex_);
  sql::Mark mark = mark_without_tops();
  mark.at = before;
  tops(mark, at(table).rows);
  return mark;
}

std::set<std::string> MemoryDatabase::open_now() const {
  const std::lock_guard lock(mutex_);
  return mark_without_tops().open;
}

}  // namespace syncflow::testkit
