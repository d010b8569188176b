#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/clock.h"
#include "core/error.h"
#include "provider/range_hashes.h"

namespace syncflow::sql {

/// What of other sessions' transactions the login can see (DESIGN 5, "Late commits").
enum class Visibility {
  exact,    ///< every open transaction with its start
  horizon,  ///< which transactions that have written are open, but not since when
  none,
};

/// The source's clock, read before a snapshot, with the transactions that were open then.
///
/// Rows that a later snapshot shows and an earlier one hid were written by a transaction in `open`
/// or by one that began after `at`. `open` is read last, or everything in one snapshot: a transaction that took
/// a number below `top_cursor` or `top_key` and still hides it must be among those in `open`.
struct Mark {
  Time at;
  std::optional<Time> oldest_start;  ///< Visibility::exact: of the transactions in `open`
  std::set<std::string> open;        ///< names no later transaction ever bears
  std::string top_cursor;  ///< cursors that are not times: the highest value visible, exact text; or empty
  std::optional<Key> top_key;  ///< where the key ascends and the cursor may be null: the highest key visible
};

/// How the values of the cursor field relate to time.
enum class CursorKind { time, ascending };

/// Which rows to read. All conditions are joined by AND.
struct RowQuery {
  enum class Order {
    none,
    cursor,     ///< by (cursor, key), in the column's own collation
    key,        ///< by the key, in the column's own collation
    canonical,  ///< by the key, in the order of compare(Value, Value)
  };
  enum class Cursors {
    any,
    proper,  ///< neither null nor of a kind that sorts below every time (-infinity, zero date)
    none,    ///< null, or of such a kind
  };
  Order order = Order::none;
  bool backwards = false;  ///< from the last to the first in that order
  Cursors cursors = Cursors::any;
  std::optional<std::string> cursor_from;   ///< cursor >= this exact text
  std::optional<std::string> cursor_to;     ///< cursor <= this exact text
  std::optional<std::string> cursor_above;  ///< cursor > this exact text
  /// (cursor, key) > this pair; in the form that the engine's planner uses its index for.
  std::optional<std::pair<std::string, Key>> above;
  std::optional<Key> key_above;  ///< key > this one, in the order of `order`
  std::vector<Key> keys;         ///< only these keys; empty: all
  std::string null_field;        ///< only rows in which this field of the table is null; empty: all
  KeyRanges ranges;              ///< only rows of these; `bits` 0: all. Set only where there is a `hash_form`
  bool keys_only = false;        ///< hand out `remove` changes with only the key's cells set
  std::size_t limit = 0;         ///< 0: all
};

/// The rows of one query as they come. Ends with its statement; only one lives at a time on a reader.
class RowStream {
 public:
  virtual ~RowStream() = default;

  /// Appends rows until about `max_rows` or `max_bytes` are in the batch. A row that cannot be read
  /// losslessly is appended with its key and a refusal. False: the result has ended, by the server's word.
  virtual bool read(Batch& batch, std::size_t max_rows, std::size_t max_bytes) = 0;

  /// The exact text of the cursor field of the last row appended; empty when null.
  virtual std::string last_cursor() const = 0;
};

/// What a database must answer so that `TableSource` can read one of its tables.
///
/// One connection, in transactions of its own. Not thread-safe. Values are bound, identifiers quoted by
/// the dialect. Exact texts are the database's own notation and travel unchanged.
class TableReader {
 public:
  virtual ~TableReader() = default;

  /// The fields that rows carry: those wanted, the key's and the cursor's, in the table's order.
  virtual const std::shared_ptr<const Schema>& schema() const = 0;
  /// The server and table behind the name: another one means that the position is lost.
  virtual std::string identity() = 0;

  virtual Visibility visibility() = 0;
  virtual Mark mark() = 0;
  /// The transactions open now, named as in Mark::open.
  virtual std::set<std::string> open_now() = 0;
  virtual Time now() = 0;

  /// Strategy cursor only, as the four below.
  virtual CursorKind cursor_kind() const = 0;
  /// Whether a row may lack a proper cursor: it is null, or of a kind that sorts below every time.
  virtual bool cursor_nullable() const = 0;
  /// Whether new rows always get a higher key than every row before (identity, serial, auto-increment).
  virtual bool key_ascends() const = 0;
  /// That instant as a canonical value of the cursor's type, and as exact text for a RowQuery;
  /// rounded down to what the field holds, in the zone that naive times are in.
  virtual Value cursor_at(Time time) const = 0;
  virtual std::string cursor_text(Time time) const = 0;
  /// An exact text as a canonical value (bytes in `arena`).
  virtual Value cursor_value(const std::string& exact, Arena& arena) const = 0;

  virtual std::unique_ptr<RowStream> select(const RowQuery& query) = 0;
  /// Whether the query has a row.
  virtual bool exists(const RowQuery& query) = 0;
  /// Rows of the query, counted up to `limit`.
  virtual std::size_t count(const RowQuery& query, std::size_t limit) = 0;

  /// As RangeHashes::form, with the key that the reader was made with. Systems that cannot hash leave these two at this.
  virtual std::string hash_form(const std::vector<std::string>& fields) {
    (void)fields;
    return "";
  }
  /// As RangeHashes::hash, of the query's rows.
  virtual std::vector<RangeHash> hash_ranges(const RowQuery& query, const std::vector<std::string>& fields,
                                             int bits) {
    (void)query;
    (void)fields;
    (void)bits;
    throw Error(ErrorKind::bug, "hashes of ranges were asked of a system that cannot hash");
  }
};

}  // namespace syncflow::sql
