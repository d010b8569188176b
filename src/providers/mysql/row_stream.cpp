#include "providers/mysql/row_stream.h"

#include <fmt/core.h>

#include <algorithm>

#include "providers/mysql/decode.h"

namespace syncflow::mysql {
namespace {

/// Begins the snapshot, on a login that is ready for it.
Session& begin(Login& login) {
  Session& session = login.session();
  session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
  return session;
}

std::vector<std::size_t> fields_of(const Reading& reading, bool keys_only) {
  std::vector<std::size_t> fields;
  const auto& key = reading.schema->key;
  for (std::size_t i = 0; i < reading.columns.size(); ++i)
    if (!keys_only || std::find(key.begin(), key.end(), i) != key.end()) fields.push_back(i);
  return fields;
}

}  // namespace

std::string exact_text(const ColumnInfo& column, const Column& sent_as, const Cell& cell) {
  if (cell.is_null()) return "";
  if (column.kind == Kind::date || column.kind == Kind::datetime || column.kind == Kind::timestamp)
    return to_text(moment_of(cell), column.kind != Kind::date, static_cast<unsigned>(column.fraction));
  return text_of(sent_as, cell);
}

RowStream::RowStream(Login& login, const Reading& reading, const sql::RowQuery& query)
    : session_(begin(login)),
      reading_(reading),
      keys_only_(query.keys_only),
      fields_(fields_of(reading, query.keys_only)),
      statement_([&] {
        Query built = build_query(reading, query);
        parameters_ = std::move(built.parameters);
        return session_.prepare(built.sql);
      }()) {
  bind_all(statement_, parameters_);
  statement_.open();
  fetch();
}

RowStream::~RowStream() {
  if (!ended_) session_.abandon();
}

bool RowStream::read(Batch& batch, std::size_t max_rows, std::size_t max_bytes) {
  while (!ended_ && batch.rows() < max_rows && batch.size_bytes() < max_bytes) {
    append(batch);
    fetch();
  }
  return !ended_;
}

/// One row ahead, so that the end is known together with the last row.
void RowStream::fetch() {
  if (statement_.fetch()) return;
  ended_ = true;
  statement_.close();
  session_.execute("COMMIT");
}

void RowStream::append(Batch& batch) {
  Change& change = batch.add(keys_only_ ? Operation::remove : Operation::upsert);
  const auto cells = statement_.cells();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t field = fields_[i];
    const ColumnInfo& column = reading_.columns[field];
    if (field == reading_.cursor) keep_cursor(i, cells[i]);
    try {
      change.row[field] = decode(column, statement_.columns()[i], cells[i], batch.arena());
    } catch (const Unreadable& problem) {
      refuse(batch, column.name, problem.reason);
    }
  }
  for (const std::size_t field : reading_.schema->key) {
    const Value& part = change.row[field];
    if (part.is_null()) refuse(batch, reading_.columns[field].name, "the key has no value");
    else if (part.type() == Type::native)
      refuse(batch, reading_.columns[field].name, fmt::format("{} cannot be a key", part.view()));
  }
}

void RowStream::keep_cursor(std::size_t index, const Cell& cell) {
  cursor_cell_ = index;
  if (cell.is_null()) last_cursor_.reset();
  else last_cursor_ = cell.view();
}

std::string RowStream::last_cursor() const {
  if (!last_cursor_) return "";
  const Cell cell{reinterpret_cast<const unsigned char*>(last_cursor_->data()), last_cursor_->size()};
  return exact_text(reading_.columns[*reading_.cursor], statement_.columns()[cursor_cell_], cell);
}

void RowStream::refuse(Batch& batch, const std::string& field, const std::string& reason) {
  if (batch.changes.back().refusal < 0) batch.refuse(field, reason);
}

}  // namespace syncflow::mysql
