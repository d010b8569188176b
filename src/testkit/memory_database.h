#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/schema.h"
#include "provider/destination.h"
#include "sql/table_reader.h"
#include "testkit/memory_calls.h"
#include "testkit/memory_row.h"

namespace syncflow::testkit {

/// A row as tests write it: one value for each field of the table. Bytes are copied.
using MemoryRow = std::vector<Value>;

struct MemoryForeignKey {
  std::vector<std::string> fields;
  std::string table;  ///< whose key they name
};

/// What a table is made of.
struct MemoryTable {
  std::string name;
  std::vector<Field> fields;
  std::vector<std::string> key;
  /// The last-modified field: timestamp_tz (`precision` digits of the second, 6 unless said) or int64. Its
  /// `nullable` counts. Empty: none is offered.
  std::string cursor;
  bool cursor_indexed = true;
  bool key_ascends = false;
  std::vector<std::vector<std::string>> unique;  ///< further unique indexes
  std::vector<MemoryForeignKey> foreign_keys;
};

/// A field as tests declare it.
Field memory_field(std::string name, Type type, bool nullable = true);
Value integer(std::int64_t number);
/// As a timestamp_tz.
Value instant(Time time);

class MemoryDatabase;

/// A writer's transaction. Its rows can be seen by nobody until `commit`; destruction rolls back.
///
/// A row that another open transaction has written cannot be written: Error(conflict). One thread at a time.
class MemoryTransaction {
 public:
  ~MemoryTransaction();
  MemoryTransaction(const MemoryTransaction&) = delete;
  MemoryTransaction& operator=(const MemoryTransaction&) = delete;

  /// The server's clock at `begin`: what `now()` gives inside a transaction of PostgreSQL.
  Time start() const { return start_; }

  /// Inserts the row, or replaces the one with its key.
  void put(const std::string& table, const MemoryRow& row);
  /// False: there was none.
  bool remove(const std::string& table, const MemoryRow& key);
  /// Removes every row; returns how many.
  std::size_t truncate(const std::string& table);
  /// The row as this transaction sees it; empty: none.
  RowPointer find(const std::string& table, const MemoryRow& key) const;
  /// All rows as this transaction sees them, in key order.
  std::vector<RowPointer> rows(const std::string& table) const;

  void commit();
  void rollback();
  bool is_open() const { return open_; }

 private:
  friend class MemoryDatabase;
  struct Staged {
    bool truncated = false;
    std::map<Key, std::pair<MemoryRow, RowPointer>> rows;  ///< key cells; no row: removed
    std::vector<RowPointer> owners;                        ///< of the key cells' bytes
  };
  MemoryTransaction(MemoryDatabase& database, std::uint64_t number, Time start);
  void stage(const std::string& table, const RowPointer& key_owner, const MemoryRow& key, RowPointer row);
  void must_be_open() const;

  MemoryDatabase& database_;
  const std::uint64_t number_;
  const Time start_;
  bool open_ = true;
  std::map<std::string, Staged> staged_;
};

/// A database in memory, for tests: real transactions, a server clock of its own, faults on demand.
///
/// Thread-safe: connections, writers and tests share it. It outlives what is opened on it. Tables are found by
/// name; an unknown one is Error(not_found).
class MemoryDatabase {
 public:
  /// With a clock of its own, which stands at 2024-01-01T00:00:00Z until a test moves it.
  MemoryDatabase();
  /// With that clock, which outlives the database.
  explicit MemoryDatabase(Clock& clock);
  ~MemoryDatabase();

  Time now() const;
  /// Only where the clock is the database's own.
  void set_now(Time time);
  void advance(Duration time);

  /// What a login sees of other transactions; default: exact.
  void set_visibility(sql::Visibility visibility) { visibility_ = visibility; }
  sql::Visibility visibility() const { return visibility_; }
  /// A result is handed out in pieces of at most so many rows; 0: as many as are asked for.
  void set_piece_rows(std::size_t rows) { piece_rows_ = rows; }
  std::size_t piece_rows() const { return piece_rows_; }
  /// From now on hashes of ranges can be asked for. Before `connect`; databases that share rows agree on them.
  void set_hashes(bool hashes) { hashes_ = hashes; }
  bool hashes() const { return hashes_; }

  Calls& calls() { return calls_; }

  void create_table(const MemoryTable& table);
  void drop_table(const std::string& table);
  bool has_table(const std::string& table) const;
  std::vector<std::string> tables() const;
  MemoryTable table(const std::string& table) const;
  Schema schema(const std::string& table) const;
  /// Another one after the table was dropped and made anew.
  std::string identity(const std::string& table) const;
  void drop_field(const std::string& table, const std::string& field);
  void add_field(const std::string& table, const Field& field, const Value& in_existing_rows);

  std::unique_ptr<MemoryTransaction> begin();
  /// One row in a transaction of its own.
  void put(const std::string& table, const MemoryRow& row);
  bool remove(const std::string& table, const MemoryRow& key);
  /// Whether an open transaction has written that row.
  bool is_locked(const std::string& table, const MemoryRow& key) const;

  /// Rows for which `judge` says why cannot be read losslessly, or will not be taken as a destination.
  using Judge = std::function<std::optional<Refusal>(std::span<const Value> row)>;
  void refuse_reading(const std::string& table, Judge judge);
  void refuse_writing(const std::string& table, Judge judge,
                      RejectionCause cause = RejectionCause::constraint);

  /// The committed rows as canonical texts (null: empty), in the order of compare(Value, Value) over the key.
  /// `fields`: only these; empty: all.
  using Contents = std::vector<std::vector<std::optional<std::string>>>;
  Contents contents(const std::string& table, const std::vector<std::string>& fields = {}) const;
  std::size_t size(const std::string& table) const;
  /// Batches that came to the table under that mode.
  std::size_t writes(const std::string& table, WriteMode mode) const;

  // --- for the reader and the destination ---

  /// What is committed now, in key order; only rows that `wanted` accepts, if it is given.
  std::vector<RowPointer> snapshot(const std::string& table,
                                   const std::function<bool(const StoredRow&)>& wanted = {}) const;
  /// The clock, the transactions that the login can see, and what `tops` adds, in one instant.
  sql::Mark mark(const std::string& table, const std::function<void(sql::Mark&, const Rows&)>& tops) const;
  std::set<std::string> open_now() const;
  std::optional<Refusal> refusal_of_reading(const std::string& table, std::span<const Value> row) const;
  std::optional<std::pair<Refusal, RejectionCause>> refusal_of_writing(const std::string& table,
                                                                       std::span<const Value> row) const;
  void count_write(const std::string& table, WriteMode mode);

 private:
  friend class MemoryTransaction;
  struct Table {
    MemoryTable info;
    std::uint64_t incarnation = 0;
    std::vector<std::size_t> key;
    Rows rows;
    std::map<Key, std::uint64_t> locks;  ///< key of a written row: the open transaction
    Judge reading;
    Judge writing;
    RejectionCause cause = RejectionCause::constraint;
    std::map<WriteMode, std::size_t> writes;
  };
  struct Open {
    Time start;
    bool wrote = false;
  };

  const Table& at(const std::string& table) const;
  Table& at(const std::string& table);
  void lock_row(std::uint64_t number, const std::string& table, const Key& key);
  void release(std::uint64_t number);
  sql::Mark mark_without_tops() const;

  Clock* const clock_;
  mutable std::mutex mutex_;
  Time now_{std::chrono::seconds(1'704'067'200)};
  std::atomic<sql::Visibility> visibility_{sql::Visibility::exact};
  std::atomic<std::size_t> piece_rows_{0};
  std::atomic<bool> hashes_{false};
  Calls calls_;
  std::uint64_t last_number_ = 0;
  const std::uint64_t server_;
  std::map<std::string, Table> tables_;
  std::map<std::uint64_t, Open> open_;
};

}  // namespace syncflow::testkit
