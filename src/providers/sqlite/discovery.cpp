#include "providers/sqlite/discovery.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "core/calendar.h"
#include "core/error.h"
#include "providers/sqlite/catalog.h"
#include "providers/sqlite/codec.h"
#include "providers/sqlite/query.h"

namespace syncflow::sqlite {
namespace {

/// Counted exactly up to here: more takes longer than a person waits for a list.
constexpr std::int64_t kCountedRows = 100'000;

/// Rows that are looked at to see what a column really holds.
constexpr int kStatedSamples = 200;

/// "lastModifiedAt" and "last_modified_at" -> "lastmodifiedat".
std::string bare(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') out += static_cast<char>(c - 'A' + 'a');
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out += c;
  }
  return out;
}

/// 0: the name does not say "last modified"; higher is better.
int modified_rank(std::string_view name) {
  const std::string plain = bare(name);
  const auto has = [&](std::string_view part) { return plain.find(part) != std::string::npos; };
  for (const char* not_it : {"created", "inserted", "deleted", "removed", "expire", "updatedby", "modifiedby",
                             "changedby", "editedby"})
    if (has(not_it)) return 0;
  if (plain == "updatedat") return 4;
  if (has("updated") || has("lastupdate") || has("updatetime") || has("updatedate")) return 3;
  if (has("modified") || has("lastmod") || has("modtime") || has("changedat") || has("lastchange") ||
      has("syncedat"))
    return 2;
  return plain == "mtime" || has("editedat") || has("lastedit") || plain == "lastwrite" ? 1 : 0;
}

/// Calls `look` with values of a column that are not NULL; each is valid during its call.
template <typename Look>
void each_sample(Database& database, const Table& table, std::size_t column, Look look) {
  const std::string name = quoted_name(table.columns[column].name);
  Statement rows = database.prepare(
      fmt::format("SELECT {0} FROM (SELECT {0} FROM main.{1} LIMIT {2}) WHERE {0} IS NOT NULL", name,
                  quoted_name(table.name), kStatedSamples));
  while (rows.step()) look(stored_at(rows, 0));
}

bool holds_times(Database& database, const Table& table, std::size_t column) {
  bool all = true;
  each_sample(database, table, column, [&](const Stored& stored) {
    all = all && stored.storage == Stored::Class::text && parse_iso(stored.bytes).has_value();
  });
  return all;
}

/// Whether a column can be a cursor by what it is and holds; and what a person should know of it.
std::optional<std::string> fit_for_cursor(Database& database, const Table& table, std::size_t column) {
  const ColumnType& type = table.columns[column].type;
  switch (type.canonical) {
    case Type::timestamp:
    case Type::timestamp_tz:
      if (!holds_times(database, table, column)) return std::nullopt;
      return "";
    case Type::text:
      if (type.dynamic || !holds_times(database, table, column)) return std::nullopt;
      return "texts, compared as times";
    case Type::int64: return "numbers: each change must set a higher one";
    default: return std::nullopt;
  }
}

std::vector<CursorCandidate> cursor_candidates(Database& database, const Table& table) {
  std::vector<std::pair<int, CursorCandidate>> found;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    const int rank = modified_rank(column.name);
    if (rank == 0) continue;
    auto note = fit_for_cursor(database, table, i);
    if (!note) continue;
    CursorCandidate candidate{column.name, table.is_indexed(i), *note};
    const auto add = [&](const std::string& more) {
      candidate.note += (candidate.note.empty() ? "" : "; ") + more;
    };
    const bool by_trigger =
        std::any_of(table.triggers.begin(), table.triggers.end(),
                    [&](const std::string& sql) { return sql.find(column.name) != std::string::npos; });
    if (by_trigger) add("set by a trigger");
    if (!candidate.indexed) add("no index: each poll reads the whole table");
    const bool is_time =
        column.type.canonical == Type::timestamp || column.type.canonical == Type::timestamp_tz;
    found.emplace_back(rank * 4 + is_time * 2 + candidate.indexed, std::move(candidate));
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<CursorCandidate> candidates;
  for (auto& [rank, candidate] : found) candidates.push_back(std::move(candidate));
  return candidates;
}

/// What ANALYZE counted last; -1: it never ran.
long analyzed_rows(Database& database, const Table& table) {
  Statement exists = database.prepare("SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_stat1'");
  if (!exists.step()) return -1;
  Statement stat = database.prepare("SELECT stat FROM main.sqlite_stat1 WHERE tbl = ?1");
  stat.bind_text(1, table.name);
  long rows = -1;
  while (stat.step()) {
    long number = 0;
    const std::string_view text = stat.text(0);
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc())
      rows = std::max(rows, number);
  }
  return rows;
}

long row_estimate(Database& database, const Table& table) {
  const std::string from = " FROM main." + quoted_name(table.name);
  Statement counted =
      database.prepare(fmt::format("SELECT count(*) FROM (SELECT 1{} LIMIT {})", from, kCountedRows + 1));
  counted.step();
  if (counted.integer(0) <= kCountedRows) return counted.integer(0);
  if (const long analyzed = analyzed_rows(database, table); analyzed > kCountedRows) return analyzed;
  if (!table.has_rowid) return -1;
  // Rowids are mostly given in a row, from 1.
  Statement span = database.prepare("SELECT max(rowid) - min(rowid) + 1" + from);
  span.step();
  return std::max<long>(span.integer(0), kCountedRows + 1);
}

/// Columns whose values contradict what they are declared as: their rows will be refused.
void warn_of_contradictions(Database& database, const Table& table, std::chrono::minutes naive_offset,
                            TableInfo& info) {
  Spelling spelling;
  spelling.offset = naive_offset;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    std::size_t looked_at = 0, refused = 0;
    std::string reason;
    each_sample(database, table, i, [&](const Stored& sample) {
      Arena arena;
      Value value;
      const auto problem = decode(sample, table.columns[i].type, spelling, arena, value);
      ++looked_at;
      if (problem && refused++ == 0) reason = *problem;
    });
    if (refused > 0)
      info.warnings.push_back(
          fmt::format("{} is declared {}, but in {} of {} rows looked at {}: such rows are refused",
                      table.columns[i].name, table.columns[i].declared, refused, looked_at, reason));
  }
}

TableInfo describe(Database& database, const Table& table, std::chrono::minutes naive_offset) {
  TableInfo info;
  info.schema = table.schema();
  info.row_estimate = row_estimate(database, table);
  info.cursor_candidates = cursor_candidates(database, table);
  if (info.schema.key.empty())
    info.warnings.push_back(
        "no primary key and no unique index on columns that are NOT NULL: name the key's fields");
  warn_of_contradictions(database, table, naive_offset, info);
  return info;
}

}  // namespace

std::vector<TableInfo> discover_tables(Database& database, const std::string& table,
                                       std::chrono::minutes naive_offset) {
  if (!table.empty()) return {describe(database, table_at(database, table), naive_offset)};
  std::vector<TableInfo> tables;
  for (const std::string& name : table_names(database))
    tables.push_back(describe(database, table_at(database, name), naive_offset));
  return tables;
}

std::string identify_table(const std::string& path, const std::string& table) {
  struct statx about {};
  if (statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &about) != 0)
    throw Error(ErrorKind::not_found, fmt::format("SQLite file {} is gone", path));
  std::int64_t born = 0;
  if (about.stx_mask & STATX_BTIME) born = about.stx_btime.tv_sec * 1'000'000'000LL + about.stx_btime.tv_nsec;
  return fmt::format("sqlite:{}:{}/{}", about.stx_ino, born, table);
}

std::vector<Reference> list_references(Database& database, const std::vector<std::string>& tables) {
  std::vector<Reference> references;
  for (const std::string& from : tables) {
    Statement parents =
        database.prepare("SELECT DISTINCT \"table\" FROM pragma_foreign_key_list(?1) ORDER BY \"table\"");
    parents.bind_text(1, from);
    while (parents.step()) {
      const std::string parent = parents.string(0);
      for (const std::string& to : tables)
        if (sqlite3_stricmp(parent.c_str(), to.c_str()) == 0) references.push_back({from, to});
    }
  }
  return references;
}

}  // namespace syncflow::sqlite
