#include "providers/postgresql/reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>

#include "core/calendar.h"
#include "core/error.h"
#include "core/text.h"
#include "providers/postgresql/advice.h"
#include "providers/postgresql/catalog.h"
#include "providers/postgresql/row_hash.h"
#include "sql/postgresql_decode.h"
#include "sql/postgresql_encode.h"

namespace syncflow::postgresql {
namespace {

using sql::CursorKind;
using sql::RowQuery;
using sql::pg::Form;

/// The server says nothing until it has hashed the last row; a connection that is dead is noticed all the same.
constexpr auto kHashPatience = std::chrono::hours(12);

/// Only what is named here is found without its schema: operators of the types that the table uses.
std::string search_path_of(const Relation& relation, libpq::Session& session) {
  std::vector<std::string> oids;
  for (const Column& column : relation.columns) oids.push_back(std::to_string(column.type.oid));
  const libpq::Rows rows = session.query_prepared(
      "SELECT DISTINCT quote_ident(n.nspname) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
      " WHERE t.oid = ANY ($1::oid[]) AND n.nspname <> 'pg_catalog' ORDER BY 1",
      {"{" + join(oids, ",") + "}"});
  std::string path = "pg_catalog, " + libpq::quoted_name(relation.name.schema);
  for (int row = 0; row < rows.size(); ++row) path += ", " + rows.string(row, 0);
  return path + ", pg_temp";
}

std::vector<std::string> names_of(const Relation& relation) {
  std::vector<std::string> names;
  for (const Column& column : relation.columns) names.push_back(column.name);
  return names;
}

/// The key: as wanted, else the table's own.
std::vector<std::string> key_names(const Relation& relation, const SourceSpec& spec) {
  if (!spec.key.empty()) return spec.key;
  std::vector<std::string> names;
  for (const int number : best_key(relation)) names.push_back(relation.find_number(number)->name);
  if (names.empty())
    throw Error(
        ErrorKind::bad_config,
        fmt::format("{} {} has no primary key: name the fields that identify a row under \"key\"{}",
                    relation.kind_name(), relation.name.text(), relation.kind == 'r' ? ", or add one" : ""));
  return names;
}

}  // namespace

template <typename Ask>
auto Reader::explaining(const Ask& ask) const {
  try {
    return ask();
  } catch (const Error& error) {
    throw explained(error);
  }
}

/// The rows of one COPY.
class Reader::CopyStream : public sql::RowStream {
 public:
  CopyStream(Reader& reader, const RowQuery& query) : reader_(reader), operation_(Operation::upsert) {
    if (query.keys_only) {
      operation_ = Operation::remove;
      fields_ = reader.plan_.key;
    } else {
      for (std::size_t i = 0; i < reader.plan_.columns.size(); ++i) fields_.push_back(i);
    }
    for (const std::size_t field : fields_) {
      const Reading& reading = reader.plan_.columns[field].reading;
      forms_.push_back({reading.form, reading.element});
    }
    Values values(Values::As::literals);
    reader.session().begin_copy_out("COPY (" + select_statement(reader.plan_, query, values) +
                                    ") TO STDOUT (FORMAT binary)");
  }

  ~CopyStream() override {
    // Rows are still on their way: a new connection is cheaper than to take them in, and a cancel request
    // would travel unencrypted.
    if (!ended_) reader_.login_.drop();
  }

  bool read(Batch& batch, std::size_t max_rows, std::size_t max_bytes) override {
    std::string_view message;
    const std::size_t first = batch.rows();
    while (batch.rows() - first < max_rows && batch.size_bytes() < max_bytes) {
      if (!reader_.explaining([&] { return reader_.login_.current().next_copied(message); })) {
        ended_ = true;
        break;
      }
      add_row(message, batch);
    }
    if (batch.rows() > first && reader_.plan_.cursor && operation_ == Operation::upsert) {
      const Value& cursor = batch.changes.back().row[*reader_.plan_.cursor];
      last_cursor_ = cursor.is_null() ? std::string() : sql::pg::exact_text(cursor);
    }
    return !ended_;
  }

  std::string last_cursor() const override { return last_cursor_; }

 private:
  struct FieldForm {
    Form form;
    Form element;
  };

  void add_row(std::string_view message, Batch& batch) {
    if (at_start_) {
      if (!message.starts_with(sql::pg::kCopyHeader.substr(0, 11)) || message.size() < 19) malformed();
      const auto extension = sql::pg::network_order<std::int32_t>(message.data() + 15);
      message.remove_prefix(std::min(message.size(), 19 + static_cast<std::size_t>(extension)));
      at_start_ = false;
    }
    if (message.size() < 2) malformed();
    const auto count = sql::pg::network_order<std::int16_t>(message.data());
    if (count == -1) return;  // the trailer
    if (static_cast<std::size_t>(count) != fields_.size()) malformed();
    message.remove_prefix(2);
    Change& change = batch.add(operation_);
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (message.size() < 4) malformed();
      const auto size = sql::pg::network_order<std::int32_t>(message.data());
      message.remove_prefix(4);
      if (size < 0) continue;  // null, as the cell is
      if (message.size() < static_cast<std::size_t>(size)) malformed();
      const auto [form, element] = forms_[i];
      if (!decoder_.decode(form, element, message.substr(0, static_cast<std::size_t>(size)), batch.arena(),
                           change.row[fields_[i]]))
        refuse(batch, fields_[i]);
      message.remove_prefix(static_cast<std::size_t>(size));
    }
    for (const std::size_t index : reader_.plan_.key)
      if (change.row[index].is_null()) null_key(index);
  }

  void refuse(Batch& batch, std::size_t field) const {
    const std::string& name = reader_.plan_.columns[field].field.name;
    const auto& key = reader_.plan_.key;
    // Without its key a row could not even be named, nor read on from.
    if (std::find(key.begin(), key.end(), field) != key.end() || field == reader_.plan_.cursor)
      throw Error(
          ErrorKind::bad_config,
          fmt::format("table {}: a row's {} is not UTF-8 (the database's encoding is {}): correct that row",
                      reader_.plan_.table.text(), name,
                      reader_.login_.current().parameter("server_encoding")));
    if (batch.changes.back().refusal < 0)
      batch.refuse(
          name, "the text is not UTF-8, and the database does not say what else it is (encoding SQL_ASCII)");
  }

  [[noreturn]] void null_key(std::size_t index) const {
    throw Error(ErrorKind::bad_config,
                fmt::format("table {}: {} is null in some row, so it cannot be part of the key: name other "
                            "fields under \"key\"",
                            reader_.plan_.table.text(), reader_.plan_.columns[index].field.name));
  }

  [[noreturn]] void malformed() const {
    throw Error(ErrorKind::bug, fmt::format("PostgreSQL sent a row of table {} that is no binary COPY",
                                            reader_.plan_.table.text()));
  }

  Reader& reader_;
  Operation operation_;
  std::vector<std::size_t> fields_;  ///< for each column of the answer: whose cell it fills
  std::vector<FieldForm> forms_;
  sql::pg::Decoder decoder_;
  std::string last_cursor_;
  bool at_start_ = true;
  bool ended_ = false;
};

Reader::Reader(const Settings& settings, const SourceSpec& spec, const Resources& resources)
    : settings_(settings), login_(settings, resources) {
  const TableName name = parse_table_name(spec.table, settings_.schema);
  const Relation relation = need_relation(session(), name);
  make_plan(relation, spec);
  check_rights(relation);
  check_key();
  if (plan_.cursor) check_cursor();
  login_.use_search_path(search_path_of(relation, session()));
  transactions_.emplace(session());
  if (plan_.cursor && sql::pg::type_of(plan_.columns[*plan_.cursor].reading.form) != Type::timestamp_tz &&
      cursor_is_time())
    local_times_.emplace(settings_.zone, session());
}

Error Reader::explained(const Error& error) const {
  return login_.is_open() ? with_advice(error, login_.current(), plan_.table, "SELECT") : error;
}

/// The first statement would fail too, but what looks for changes may not read every field, nor `validate` any.
void Reader::check_rights(const Relation& relation) const {
  std::vector<std::string> numbers;
  for (const ReadColumn& column : plan_.columns) numbers.push_back(std::to_string(column.column.number));
  const libpq::Rows rows = session().query_prepared(
      "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum), count(*) = cardinality($2::int2[]),"
      " (SELECT bool_and(has_schema_privilege(oid, 'USAGE')) FROM pg_namespace WHERE nspname = $3)"
      " FROM pg_attribute WHERE attrelid = $1::oid AND attnum = ANY ($2::int2[])"
      " AND NOT has_column_privilege($1::oid, attnum, 'SELECT')",
      {std::to_string(relation.oid), "{" + join(numbers, ",") + "}", relation.name.schema});
  const bool may_use = rows.boolean(0, 2);
  if (may_use && rows.is_null(0, 0)) return;
  const std::string role = libpq::quoted_name(settings_.target.user);
  const std::string fields = rows.is_null(0, 0) || rows.boolean(0, 1) ? "" : " (" + rows.string(0, 0) + ")";
  std::string grants =
      may_use ? ""
              : fmt::format("GRANT USAGE ON SCHEMA {} TO {}", libpq::quoted_name(relation.name.schema), role);
  if (!rows.is_null(0, 0))
    grants += fmt::format("{}GRANT SELECT{} ON {} TO {}", grants.empty() ? "" : "; ", fields,
                          relation.name.quoted(), role);
  throw Error(ErrorKind::forbidden,
              fmt::format("table {}: no right to read it: {}", relation.name.text(), grants));
}

void Reader::make_plan(const Relation& relation, const SourceSpec& spec) {
  plan_.table = relation.name;
  const std::vector<std::string> key = key_names(relation, spec);
  std::vector<std::string> wanted = spec.fields.empty() ? names_of(relation) : spec.fields;
  wanted.insert(wanted.end(), key.begin(), key.end());
  const bool by_cursor = spec.strategy == Strategy::cursor;
  if (by_cursor) wanted.push_back(spec.cursor);

  Schema schema;
  schema.provider = "postgresql";
  schema.table = relation.name.text();
  for (const Column& column : relation.columns) {
    if (std::find(wanted.begin(), wanted.end(), column.name) == wanted.end()) continue;
    plan_.columns.push_back({column, field_of(column), reading_of(column)});
    schema.fields.push_back(plan_.columns.back().field);
  }
  // `at` names the nearest field there is: look in all of them.
  Schema all;
  all.table = schema.table;
  for (const Column& column : relation.columns) all.fields.push_back(field_of(column));
  for (const std::string& name : wanted) all.at(name);

  for (const std::string& name : key) plan_.key.push_back(schema.at(name));
  if (by_cursor) plan_.cursor = schema.at(spec.cursor);
  schema.key = plan_.key;
  schema_ = std::make_shared<const Schema>(std::move(schema));
}

void Reader::check_key() const {
  for (const std::size_t index : plan_.key) {
    const ReadColumn& column = plan_.columns[index];
    const Form form = column.reading.form;
    const bool is_money = form == Form::numeric && column.reading.expression != "{}";
    if (form == Form::json || form == Form::jsonb || form == Form::array || is_money)
      throw Error(ErrorKind::bad_config,
                  fmt::format("table {}: {} is of type {}, which cannot be part of a key", plan_.table.text(),
                              column.field.name, column.field.native));
  }
}

void Reader::check_cursor() {
  const ReadColumn& cursor = plan_.columns[*plan_.cursor];
  switch (cursor.reading.form) {
    case Form::date:
    case Form::timestamp:
    case Form::timestamp_tz:
    case Form::float4:
    case Form::float8: plan_.cursor_has_lowest = true; return;
    case Form::numeric:
      // Before PostgreSQL 14 a numeric was finite, and those with a precision still are.
      plan_.cursor_has_lowest = session().server_version() >= 140000 && !cursor.field.precision;
      if (cursor.reading.expression == "{}") return;
      break;
    case Form::int2:
    case Form::int4:
    case Form::int8:
    case Form::uint4:
    case Form::uint8:
    case Form::uuid: return;
    case Form::text:
      if (cursor.reading.expression == "{}") return;
      break;
    default: break;
  }
  throw Error(
      ErrorKind::bad_config,
      fmt::format(
          "table {}: {} is of type {}, by which changes cannot be found: name a field of a time, or of a "
          "number that grows with each change",
          plan_.table.text(), cursor.field.name, cursor.field.native));
}

bool Reader::cursor_is_time() const { return cursor_kind() == CursorKind::time; }

std::string Reader::identity() {
  return explaining([&] {
    const libpq::Rows rows = session().query_prepared(
        "SELECT d.oid, c.oid FROM pg_database d, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE d.datname = current_database() AND n.nspname = $1 AND c.relname = $2",
        {plan_.table.schema, plan_.table.table});
    if (rows.size() == 0) throw Error(ErrorKind::not_found, missing_table(session(), plan_.table));
    // A service may keep its identifier to itself: then database and table must do.
    const libpq::Answer system =
        session().attempt_prepared("SELECT system_identifier FROM pg_control_system()", {});
    return fmt::format("postgresql {}/{}/{}", system.refused ? "?" : system.rows.string(0, 0),
                       rows.text(0, 0), rows.text(0, 1));
  });
}

sql::Mark Reader::mark() {
  return explaining([&] {
    sql::Mark mark;
    mark.at = transactions_->now(session());
    // Before the transactions are looked at: one that took a lower value than these is open by then.
    if (plan_.cursor && !cursor_is_time()) mark.top_cursor = highest(plan_.columns[*plan_.cursor]);
    if (plan_.cursor && key_ascends() && cursor_nullable()) {
      const ReadColumn& key = plan_.columns[plan_.key.front()];
      const std::string top = highest(key);
      if (!top.empty()) mark.top_key = Key{{sql::pg::canonical_text(key.field.type, top)}};
    }
    transactions_->look(session(), mark);
    return mark;
  });
}

std::string Reader::highest(const ReadColumn& column) {
  const std::string name = libpq::quoted_name(column.column.name);
  std::string finite = name + " IS NOT NULL";
  const Form form = column.reading.form;
  const bool may_be_infinite =
      form == Form::float4 || form == Form::float8 || (form == Form::numeric && plan_.cursor_has_lowest);
  if (may_be_infinite) finite = fmt::format("{} < CAST('Infinity' AS {})", name, column.column.type.sql);
  else if (form == Form::numeric)
    finite = fmt::format("{} < CAST('NaN' AS {})", name, column.column.type.sql);
  const libpq::Rows rows =
      session().execute(fmt::format("SELECT {}::pg_catalog.text FROM {} WHERE {} ORDER BY {} DESC LIMIT 1",
                                    name, plan_.table.quoted(), finite, name));
  return rows.size() == 0 ? std::string() : rows.string(0, 0);
}

std::set<std::string> Reader::open_now() {
  return explaining([&] {
    sql::Mark mark;
    transactions_->look(session(), mark);
    return mark.open;
  });
}

Time Reader::now() {
  return explaining([&] { return transactions_->now(session()); });
}

CursorKind Reader::cursor_kind() const {
  switch (plan_.columns[plan_.cursor.value()].reading.form) {
    case Form::date:
    case Form::timestamp:
    case Form::timestamp_tz: return CursorKind::time;
    default: return CursorKind::ascending;
  }
}

bool Reader::cursor_nullable() const {
  return plan_.columns[plan_.cursor.value()].column.nullable || plan_.cursor_has_lowest;
}

bool Reader::key_ascends() const {
  return plan_.key.size() == 1 && plan_.columns[plan_.key.front()].column.ascends;
}

Value Reader::cursor_at(Time time) const {
  const ReadColumn& cursor = plan_.columns[plan_.cursor.value()];
  std::int64_t microseconds = time.time_since_epoch().count();
  if (local_times_) microseconds = local_times_->lowest_from(time, session());
  // A coarse clock's unit that is not over yet will see more rows: what is read up to ends before it.
  if (cursor.reading.form == Form::date)
    return Value::date(floor_divide(microseconds, kMicrosecondsPerDay) - 1);
  static constexpr std::int64_t kUnits[] = {1'000'000, 100'000, 10'000, 1'000, 100, 10, 1};
  const std::int64_t unit = kUnits[cursor.field.precision.value_or(6)];
  microseconds = (floor_divide(microseconds, unit) - (unit > 1 ? 1 : 0)) * unit;
  return cursor.reading.form == Form::timestamp ? Value::timestamp(microseconds)
                                                : Value::timestamp_tz(microseconds);
}

std::string Reader::cursor_text(Time time) const { return sql::pg::exact_text(cursor_at(time)); }

Value Reader::cursor_value(const std::string& exact, Arena& arena) const {
  const Type type = plan_.columns[plan_.cursor.value()].field.type;
  for (const char* word : {"infinity", "-infinity", "NaN", "Infinity", "-Infinity"})
    if (type != Type::text && type != Type::float64 && exact == word) return Value::native(arena.copy(exact));
  return parse_value(type, sql::pg::canonical_text(type, exact), arena);
}

std::unique_ptr<sql::RowStream> Reader::select(const RowQuery& query) {
  return explaining([&] { return std::make_unique<CopyStream>(*this, query); });
}

bool Reader::exists(const RowQuery& query) {
  return explaining([&] {
    RowQuery one = query;
    one.limit = 1;
    // An order makes the planner walk an index to the first row instead of reading on until one fits.
    if (one.order == RowQuery::Order::none && plan_.cursor && query.cursors == RowQuery::Cursors::proper)
      one.order = RowQuery::Order::cursor;
    Values values(Values::As::parameters);
    const std::string sql = select_statement(plan_, one, values, "1");
    return session().query(sql, values.parameters()).size() > 0;
  });
}

std::size_t Reader::count(const RowQuery& query, std::size_t limit) {
  return explaining([&] {
    RowQuery limited = query;
    limited.limit = limit;
    limited.order = RowQuery::Order::none;
    Values values(Values::As::parameters);
    const std::string sql =
        "SELECT count(*) FROM (" + select_statement(plan_, limited, values, "1") + ") AS counted";
    return static_cast<std::size_t>(session().query(sql, values.parameters()).integer(0, 0));
  });
}

std::string Reader::hash_form(const std::vector<std::string>& fields) {
  // Of another encoding a parallel worker would send texts as they are, and its leader in the client's.
  if (session().parameter("server_encoding") != "UTF8") return "";
  const std::string form = row_hash_form(plan_, fields);
  if (form.empty()) return form;
  return explaining([&] { return form + " " + session().execute(kHashProbe).string(0, 0); });
}

std::vector<RangeHash> Reader::hash_ranges(const RowQuery& query, const std::vector<std::string>& fields,
                                           int bits) {
  return explaining([&] {
    session().set_patience(kHashPatience);
    const libpq::Rows rows = session().execute(row_hash_statement(plan_, query, fields, bits));
    session().set_patience(kReadPatience);
    std::vector<RangeHash> ranges;
    for (int row = 0; row < rows.size(); ++row)
      if (const std::int64_t count = rows.integer(row, 1); count > 0)
        ranges.push_back(
            {static_cast<int>(rows.integer(row, 0)), count, rows.string(row, 2) + " " + rows.string(row, 3)});
    return ranges;
  });
}

}  // namespace syncflow::postgresql
