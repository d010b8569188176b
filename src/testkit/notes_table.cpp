#include "testkit/notes_table.h"

#include "sql/table_source.h"
#include "testkit/memory_reader.h"

namespace syncflow::testkit {

NotesTable::NotesTable(const Options& options) : engine([this] { return open_source(); }, options.strategy) {
  MemoryTable table;
  table.name = "notes";
  Field changed = memory_field("changed", options.cursor, options.nullable);
  changed.precision = options.precision;
  table.fields = {memory_field("id", Type::int64, false), memory_field("body", Type::text), changed};
  table.key = {"id"};
  table.cursor = "changed";
  table.key_ascends = options.key_ascends;
  database.create_table(table);
  database.set_visibility(options.visibility);
  spec_.table = "notes";
  spec_.strategy = options.strategy;
  if (options.strategy == Strategy::cursor) spec_.cursor = "changed";
  spec_.overlap = options.overlap;
}

void NotesTable::put(std::int64_t id, std::string_view body, const Value& changed) {
  database.put("notes", {integer(id), Value::text(body), changed});
}

void NotesTable::put(MemoryTransaction& transaction, std::int64_t id, std::string_view body) {
  put(transaction, id, body, instant(transaction.start()));
}

void NotesTable::put(MemoryTransaction& transaction, std::int64_t id, std::string_view body,
                     const Value& changed) {
  transaction.put("notes", {integer(id), Value::text(body), changed});
}

void NotesTable::fill(std::int64_t count, std::string_view body) {
  const auto transaction = database.begin();
  for (std::int64_t id = 1; id <= count; ++id) put(*transaction, id, body);
  transaction->commit();
}

std::unique_ptr<Source> NotesTable::open_source(const SourceSpec& spec) {
  return sql::open_table_source(spec, std::make_unique<MemoryReader>(database, spec), clock);
}

::testing::AssertionResult NotesTable::is_copied() const {
  const auto rows = database.contents("notes");
  for (const auto& row : rows) {
    const auto copied = engine.copy().find(Key{{*row[0]}});
    if (copied == engine.copy().end())
      return ::testing::AssertionFailure() << "row " << *row[0] << " is not in the copy";
    if (copied->second != row)
      return ::testing::AssertionFailure()
             << "row " << *row[0] << " is \"" << row[1].value_or("null") << "\", the copy's is \""
             << copied->second[1].value_or("null") << "\"";
  }
  if (engine.copy().size() != rows.size())
    return ::testing::AssertionFailure()
           << "the table has " << rows.size() << " rows, the copy " << engine.copy().size();
  return ::testing::AssertionSuccess();
}

std::string NotesTable::copied_body(std::int64_t id) const {
  const auto copied = engine.copy().find(Key{{std::to_string(id)}});
  return copied == engine.copy().end() ? "" : copied->second[1].value_or("null");
}

}  // namespace syncflow::testkit
