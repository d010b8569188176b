#include "providers/sqlite/reader.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include "core/error.h"
#include "providers/sqlite/discovery.h"
#include "providers/sqlite/row_stream.h"

namespace syncflow::sqlite {
namespace {

using namespace std::chrono_literals;

/// Most writers are done within this: waiting for them spares a second look at the rows.
constexpr auto kPatience = 100ms;

/// New rows always get a higher key only under AUTOINCREMENT: a plain rowid is given again after the highest
/// row was deleted.
bool ascends(const Table& table, const std::vector<std::string>& key) {
  return table.rowid_is_key && table.autoincrement &&
         (key.empty() || (key.size() == 1 && key[0] == table.columns[table.primary_key[0]].name));
}

}  // namespace

Reader::Reader(const SourceSpec& spec, const Settings& settings, Resources resources)
    : clock_(resources.clock), settings_(settings), database_(open_file(settings, resources.stop)) {
  const Table table = table_at(*database_, spec.table);
  install_functions(*database_, settings.naive_offset);
  rows_.emplace(*database_, table, spec, settings.naive_offset);
  key_ascends_ = ascends(table, spec.key);
}

/// A SQLite file bears no name of its own. The inode and its time of birth stay through writes and VACUUM, and
/// change when another file, also an older copy of this one, takes its place.
std::string Reader::identity() { return identify_table(settings_.path, schema()->table); }

sql::Visibility Reader::visibility() {
  if (settings_.read_only || sqlite3_db_readonly(database_->handle(), "main") == 1)
    return sql::Visibility::none;
  return sql::Visibility::horizon;
}

bool Reader::writer_is_busy(std::chrono::milliseconds patience) {
  if (visibility() == sql::Visibility::none) return false;
  database_->wait_at_most(patience);
  bool busy = false;
  try {
    const Transaction probe(*database_);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::conflict) throw;
    busy = true;
  }
  database_->wait_at_most(settings_.busy_timeout);
  return busy;
}

std::set<std::string> Reader::open_now() {
  if (writer_is_busy(0ms)) return {"writer"};
  return {};
}

sql::Mark Reader::mark() {
  sql::Mark mark;
  mark.at = clock_.now();
  if (writer_is_busy(kPatience)) mark.open = {"writer"};
  const CursorColumn& cursor = rows_->cursor();
  if (cursor.kind() == sql::CursorKind::ascending) mark.top_cursor = cursor.highest(*database_);
  if (!key_ascends_ || !cursor.nullable()) return mark;
  Statement top = database_->prepare("SELECT max(" + rows_->key().list() + ") FROM " + rows_->table());
  if (top.step() && !top.is_null(0)) mark.top_key = Key{{std::to_string(top.integer(0))}};
  return mark;
}

std::unique_ptr<sql::RowStream> Reader::select(const sql::RowQuery& query) {
  return open_row_stream(*database_, *rows_, query);
}

std::size_t Reader::count(const sql::RowQuery& query, std::size_t limit) {
  if (!query.keys.empty()) {
    Batch found(schema());
    for (const auto stream = select(query); found.rows() < limit && stream->read(found, limit, SIZE_MAX);) {
    }
    return found.rows();
  }
  Sql sql("SELECT count(*) FROM (SELECT 1 FROM " + rows_->table());
  sql.add(rows_->where(query))
      .add(" LIMIT ?", Stored::of(static_cast<std::int64_t>(std::min<std::size_t>(limit, INT64_MAX))))
      .add(")");
  Statement counted = sql.prepare(*database_);
  counted.step();
  return static_cast<std::size_t>(counted.integer(0));
}

}  // namespace syncflow::sqlite
