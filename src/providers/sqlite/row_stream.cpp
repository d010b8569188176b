#include "providers/sqlite/row_stream.h"

#include <fmt/core.h>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::sqlite {
namespace {

/// Keys of one list: some tens of megabytes in the temporary file at most.
constexpr std::size_t kListedAtOnce = 200'000;

/// Counts what may still be appended to a batch.
class Room {
 public:
  Room(const Batch& batch, std::size_t max_rows, std::size_t max_bytes)
      : batch_(batch), max_rows_(max_rows), max_bytes_(max_bytes) {}
  bool left() const { return batch_.rows() < max_rows_ && batch_.size_bytes() < max_bytes_; }

 private:
  const Batch& batch_;
  std::size_t max_rows_, max_bytes_;
};

/// Keeps the cursor of the last row, and makes an exact text of it only when that is asked for.
class LastCursor {
 public:
  void note(const Stored& cell) { keep(cell, false); }
  /// `order`: what the row was sorted by (CursorColumn::order).
  void note_order(const Stored& order) { keep(order, true); }

  std::string exact(const TableRows& rows) const {
    if (value_.storage == Stored::Class::null) return {};
    if (is_order_ && value_.storage == Stored::Class::text) return bytes_;
    Stored cell = value_;
    cell.bytes = bytes_;
    return rows.cursor().exact(cell);
  }

 private:
  void keep(const Stored& value, bool is_order) {
    value_ = value;
    bytes_.assign(value.bytes);
    is_order_ = is_order;
  }

  Stored value_;
  std::string bytes_;
  bool is_order_ = false;
};

/// Looks one row up for each key: no order, no limit.
class LookupStream : public sql::RowStream {
 public:
  LookupStream(Database& database, const TableRows& rows, sql::RowQuery query)
      : database_(database), rows_(rows), query_(std::move(query)) {}

  bool read(Batch& batch, std::size_t max_rows, std::size_t max_bytes) override {
    const Room room(batch, max_rows, max_bytes);
    Sql by_key;
    by_key.also().add(rows_.key().equals("", numbered()));
    for (std::size_t i = 0; i < rows_.key().size(); ++i) by_key.add("", Stored());
    Sql select("SELECT " + rows_.cells(query_) + " FROM " + rows_.table());
    select.add(rows_.where(query_, std::move(by_key)));
    Statement row = select.prepare(database_);
    for (; next_ < query_.keys.size() && room.left(); ++next_) append(row, query_.keys[next_], batch);
    return next_ < query_.keys.size();
  }

  std::string last_cursor() const override { return last_.exact(rows_); }

 private:
  std::vector<std::string> numbered() const {
    std::vector<std::string> operands;
    for (std::size_t i = 1; i <= rows_.key().size(); ++i) operands.push_back(fmt::format("?{}", i));
    return operands;
  }

  void append(Statement& row, const Key& key, Batch& batch) {
    Arena arena;
    const std::vector<Stored> parts = rows_.key().encode(*rows_.schema(), key, arena);
    for (std::size_t i = 0; i < parts.size(); ++i) bind(row, 1 + static_cast<int>(i), parts[i]);
    if (row.step()) {
      rows_.append(row, 0, query_, batch);
      last_.note(rows_.cursor_cell(row, 0, query_));
    }
    row.reset();
  }

  Database& database_;
  const TableRows& rows_;
  const sql::RowQuery query_;
  std::size_t next_ = 0;
  LastCursor last_;
};

/// Moves the beginning of a query behind a row that was handed out.
void go_on_after(sql::RowQuery& query, const Key& key, const std::string& cursor) {
  if (query.order == sql::RowQuery::Order::cursor) query.above = {cursor, key};
  else query.key_above = key;
}

class ChunkedStream : public sql::RowStream {
 public:
  ChunkedStream(Database& database, const TableRows& rows, sql::RowQuery query)
      : database_(database), rows_(rows), query_(std::move(query)), left_(query_.limit) {}

  bool read(Batch& batch, std::size_t max_rows, std::size_t max_bytes) override {
    const Room room(batch, max_rows, max_bytes);
    const Sql sql = select();
    Statement statement = sql.prepare(database_);
    bool appended = false;
    while (room.left() && (query_.limit == 0 || left_ > 0)) {
      if (!statement.step()) return false;
      rows_.append(statement, 0, query_, batch);
      last_.note(rows_.cursor_cell(statement, 0, query_));
      appended = true;
      if (query_.limit != 0) --left_;
    }
    if (query_.limit != 0 && left_ == 0) return false;
    if (appended) {
      if (!rows_.has_key()) throw Error(ErrorKind::bug, "a table without a key was read in parts");
      go_on_after(query_, key_of(*rows_.schema(), batch.changes.back()), last_.exact(rows_));
    }
    return true;
  }

  std::string last_cursor() const override { return last_.exact(rows_); }

  Sql select() const {
    Sql sql("SELECT " + rows_.cells(query_) + " FROM " + rows_.table());
    sql.add(rows_.where(query_));
    if (const std::string order = rows_.order(query_); !order.empty()) sql.add(" ORDER BY " + order);
    if (query_.limit != 0) sql.add(fmt::format(" LIMIT {}", left_));
    return sql;
  }

 private:
  Database& database_;
  const TableRows& rows_;
  sql::RowQuery query_;
  std::size_t left_;
  LastCursor last_;
};

/// Sorts keys, not rows, and only once: then each chunk looks its rows up as they are by now. A row that has got a
/// new cursor meanwhile is handed out as it is, under the place that it was listed at; one that is gone is left out.
class ListedStream : public sql::RowStream {
 public:
  ListedStream(Database& database, const TableRows& rows, sql::RowQuery query)
      : database_(database), rows_(rows), query_(std::move(query)), left_(query_.limit) {
    list();
  }

  bool read(Batch& batch, std::size_t max_rows, std::size_t max_bytes) override {
    const Room room(batch, max_rows, max_bytes);
    const Sql sql = select();
    Statement statement = sql.prepare(database_);
    while (room.left()) {
      if (!statement.step()) {
        if (!list_goes_on_) return false;
        list_again();
        return true;
      }
      rows_.append(statement, 2, query_, batch);
      position_ = statement.integer(0);
      // The place in the list counts, though the row may have got another cursor since.
      if (by_cursor()) last_.note_order(stored_at(statement, 1));
      else last_.note(rows_.cursor_cell(statement, 2, query_));
    }
    return true;
  }

  std::string last_cursor() const override { return last_.exact(rows_); }

 private:
  bool by_cursor() const { return query_.order == sql::RowQuery::Order::cursor; }

  void list() {
    std::size_t wanted = kListedAtOnce;
    if (query_.limit != 0) wanted = std::min(wanted, left_);
    std::string columns;
    for (std::size_t i = 0; i < rows_.key().size(); ++i) columns += fmt::format(", k{}", i);
    database_.execute("DROP TABLE IF EXISTS temp.syncflow_listing");
    database_.execute("CREATE TEMP TABLE syncflow_listing (position INTEGER PRIMARY KEY, cursor" + columns +
                      ")");
    Sql fill("INSERT INTO temp.syncflow_listing (cursor" + columns + ") SELECT " +
             (by_cursor() ? rows_.cursor().order() : "NULL") + ", " + rows_.key().list() + " FROM " +
             rows_.table());
    fill.add(rows_.where(query_)).add(fmt::format(" ORDER BY {} LIMIT {}", rows_.order(query_), wanted));
    fill.prepare(database_).run();
    const auto listed = static_cast<std::size_t>(database_.changes());
    if (query_.limit != 0) left_ -= listed;
    list_goes_on_ = listed == wanted && (query_.limit == 0 || left_ > 0);
    position_ = 0;
  }

  /// The list was cut off: the next one begins behind its last entry, whether that row is still there or not.
  void list_again() {
    Statement last = database_.prepare("SELECT * FROM temp.syncflow_listing ORDER BY position DESC LIMIT 1");
    last.step();
    Arena arena;
    Key key;
    for (std::size_t i = 0; i < rows_.key().size(); ++i)
      key.parts.push_back(to_text(rows_.key().decode(i, stored_at(last, 2 + static_cast<int>(i)), arena)));
    LastCursor cursor;
    if (by_cursor()) cursor.note_order(stored_at(last, 1));
    go_on_after(query_, key, cursor.exact(rows_));
    last.reset();
    list();
  }

  Sql select() const {
    std::vector<std::string> listed;
    for (std::size_t i = 0; i < rows_.key().size(); ++i) listed.push_back(fmt::format("listing.k{}", i));
    // CROSS JOIN: the list leads, and gives the order.
    Sql sql("SELECT listing.position, listing.cursor, " + rows_.cells(query_, "t.") +
            " FROM temp.syncflow_listing AS listing CROSS JOIN " + rows_.table() + " AS t ON " +
            rows_.key().equals("t.", listed));
    sql.add(" WHERE listing.position > ?", Stored::of(position_)).add(" ORDER BY listing.position");
    return sql;
  }

  Database& database_;
  const TableRows& rows_;
  sql::RowQuery query_;
  std::size_t left_;
  bool list_goes_on_ = false;
  std::int64_t position_ = 0;
  LastCursor last_;
};

bool sorts(Database& database, const Sql& select) {
  Sql explain("EXPLAIN QUERY PLAN ");
  Statement plan = explain.add(select).prepare(database);
  while (plan.step())
    if (plan.text(3).find("TEMP B-TREE") != std::string_view::npos) return true;
  return false;
}

}  // namespace

std::unique_ptr<sql::RowStream> open_row_stream(Database& database, const TableRows& rows,
                                                const sql::RowQuery& query) {
  if (!query.keys.empty()) return std::make_unique<LookupStream>(database, rows, query);
  const bool by_time =
      query.order == sql::RowQuery::Order::cursor && rows.cursor().kind() == sql::CursorKind::time;
  if (by_time) return std::make_unique<ListedStream>(database, rows, query);
  auto chunks = std::make_unique<ChunkedStream>(database, rows, query);
  // A small page is sorted by keeping the least rows only; for all else one list saves sorting again for each chunk.
  const bool small = query.limit != 0 && query.limit <= kListedAtOnce;
  if (!rows.has_key() || small || !sorts(database, chunks->select())) return chunks;
  return std::make_unique<ListedStream>(database, rows, query);
}

}  // namespace syncflow::sqlite
