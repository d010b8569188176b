#include "providers/sqlite/table_rows.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::sqlite {
namespace {

std::size_t column_at(const Table& table, const std::string& name, std::string_view role) {
  if (const auto found = table.find(name)) return *found;
  const std::string near = nearest(name, table.column_names());
  throw Error(ErrorKind::bad_config,
              fmt::format("table {} has no field {} for its {}{}", table.name, name, role,
                          near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

std::vector<std::size_t> columns_at(const Table& table, const std::vector<std::string>& names,
                                    std::string_view role) {
  std::vector<std::size_t> columns;
  for (const std::string& name : names) columns.push_back(column_at(table, name, role));
  return columns;
}

}  // namespace

TableRows::TableRows(Database& database, const Table& table, const SourceSpec& spec,
                     std::chrono::minutes naive_offset)
    : table_("main." + quoted_name(table.name)) {
  spelling_.offset = naive_offset;
  const std::vector<std::size_t> key =
      spec.key.empty() ? table.natural_key() : columns_at(table, spec.key, "key");
  choose_fields(table, spec, key);
  if (!key.empty()) key_.emplace(database, table, key, naive_offset);
  if (spec.strategy != Strategy::cursor) return;
  cursor_.emplace(database, table, column_at(table, spec.cursor, "cursor"), naive_offset);
  cursor_field_ = schema_->at(spec.cursor);
}

void TableRows::choose_fields(const Table& table, const SourceSpec& spec,
                              const std::vector<std::size_t>& key) {
  std::vector<std::size_t> wanted = columns_at(table, spec.fields, "fields");
  if (spec.fields.empty())
    for (std::size_t i = 0; i < table.columns.size(); ++i) wanted.push_back(i);
  wanted.insert(wanted.end(), key.begin(), key.end());
  if (spec.strategy == Strategy::cursor) wanted.push_back(column_at(table, spec.cursor, "cursor"));
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());

  auto schema = std::make_shared<Schema>();
  schema->provider = "sqlite";
  schema->table = table.name;
  for (const std::size_t column : wanted) {
    schema->fields.push_back(table.field(column));
    cells_.push_back({quoted_name(table.columns[column].name), table.columns[column].type, -1});
  }
  for (std::size_t part = 0; part < key.size(); ++part) {
    const auto at = std::find(wanted.begin(), wanted.end(), key[part]) - wanted.begin();
    schema->key.push_back(static_cast<std::size_t>(at));
    schema->fields[static_cast<std::size_t>(at)].nullable = false;
    cells_[static_cast<std::size_t>(at)].key_part = static_cast<int>(part);
  }
  schema_ = std::move(schema);
}

const KeyColumns& TableRows::key() const {
  if (!key_) throw Error(ErrorKind::bad_config, fmt::format("table {} has no primary key", schema_->table));
  return *key_;
}

const CursorColumn& TableRows::cursor() const {
  if (!cursor_) throw Error(ErrorKind::bug, "a cursor field was asked for that this read does not have");
  return *cursor_;
}

Sql TableRows::where(const sql::RowQuery& query, Sql where) const {
  if (cursor_) cursor_->restrict(query, where);
  Arena arena;
  if (query.above) {
    const std::vector<Stored> parts = key().encode(*schema_, query.above->second, arena);
    cursor().above(query.above->first, key().list(), parts, where);
  }
  if (query.key_above) {
    const bool canonical = query.order == sql::RowQuery::Order::canonical;
    where.also().add("(" + key().list(canonical) + ") > (");
    const char* separator = "?";
    for (const Stored& part : key().encode(*schema_, *query.key_above, arena)) {
      where.add(separator, part);
      separator = ", ?";
    }
    where.add(")");
  }
  if (!query.null_field.empty()) where.also().add(quoted_name(query.null_field) + " IS NULL");
  return where;
}

std::string TableRows::order(const sql::RowQuery& query) const {
  using Order = sql::RowQuery::Order;
  const bool canonical = query.order == Order::canonical;
  if (query.backwards) {
    const std::string keys = key().list_backwards(canonical);
    return query.order == Order::cursor ? cursor().order() + " DESC, " + keys : keys;
  }
  if (query.order == Order::cursor) return cursor().order() + ", " + key().list();
  return key_ ? key_->list(canonical) : "";
}

std::string TableRows::cells(const sql::RowQuery& query, const std::string& prefix) const {
  std::vector<std::string> names;
  if (query.keys_only)
    for (const std::size_t field : schema_->key) names.push_back(prefix + cells_[field].name);
  else
    for (const Cell& cell : cells_) names.push_back(prefix + cell.name);
  return join(names, ", ");
}

void TableRows::append(const Statement& statement, int first, const sql::RowQuery& query,
                       Batch& batch) const {
  if (query.keys_only) {
    const Change& change = batch.add(Operation::remove);
    for (std::size_t part = 0; part < schema_->key.size(); ++part)
      change.row[schema_->key[part]] =
          key().decode(part, stored_at(statement, first + static_cast<int>(part)), batch.arena());
    return;
  }
  const std::span<Value> row = batch.add(Operation::upsert).row;
  bool refused = false;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const Cell& cell = cells_[i];
    const Stored stored = stored_at(statement, first + static_cast<int>(i));
    if (cell.key_part >= 0) {
      row[i] = key_->decode(static_cast<std::size_t>(cell.key_part), stored, batch.arena());
      continue;
    }
    const auto reason = decode(stored, cell.type, spelling_, batch.arena(), row[i]);
    if (!reason) continue;
    row[i] = Value::null();
    if (!std::exchange(refused, true)) batch.refuse(schema_->fields[i].name, *reason);
  }
}

Stored TableRows::cursor_cell(const Statement& statement, int first, const sql::RowQuery& query) const {
  if (!cursor_ || query.keys_only) return {};
  return stored_at(statement, first + static_cast<int>(cursor_field_));
}

}  // namespace syncflow::sqlite
