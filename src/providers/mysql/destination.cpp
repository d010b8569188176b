#include "providers/mysql/destination.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "core/error.h"
#include "core/failpoint.h"
#include "core/text.h"
#include "providers/mysql/write_rights.h"

namespace syncflow::mysql {
namespace {

using namespace std::chrono_literals;

/// Rows of one transaction when a whole table is cleared.
constexpr std::size_t kClearRows = 10'000;
/// What a statement needs beside its values.
constexpr std::size_t kPacketHead = 64u << 10;

std::span<Encoded> encoded_cells(Arena& arena, std::size_t count) {
  auto* cells = reinterpret_cast<Encoded*>(arena.allocate(count * sizeof(Encoded)));
  for (std::size_t i = 0; i < count; ++i) new (cells + i) Encoded();
  return {cells, count};
}

}  // namespace

/// START TRANSACTION, and ROLLBACK unless committed. The server ends it by itself well before the lease does: a worker
/// that was frozen finds it gone.
class TableDestination::Transaction {
 public:
  Transaction(Session& session, const Fence& fence) : session_(session), fence_(fence) {
    limit(fence.left());
    session_.execute("START TRANSACTION");
    open_ = true;
    failpoint("destination.begun");
    fence_.check();
  }
  ~Transaction() {
    if (!open_ || session_.is_broken()) return;
    try {
      session_.execute("ROLLBACK");
    } catch (const Error&) {
      // The server rolls back what is left open when the connection ends.
      session_.abandon();
    }
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  void commit() {
    bool asked = false;
    try {
      fit_into_lease();
      failpoint("destination.before_commit");
      asked = true;
      session_.execute("COMMIT");
    } catch (const Error& error) {
      // What the server ended because its time was over is told as that.
      fence_.check();
      if (!asked || !session_.is_broken()) throw;
      throw Error(error.kind(), fmt::format("{}; COMMIT was not answered: its rows are there or not, and are "
                                            "written again",
                                            error.what()));
    }
    open_ = false;
  }

 private:
  /// A process that is frozen between here and COMMIT finds the transaction dead once another may own the sync.
  void fit_into_lease() {
    fence_.check();
    // A slow batch has used up its time: what is left bounds the rest.
    if (fence_.left() < idle_limit_) limit(fence_.left());
    if (fence_.left() < idle_limit_)
      throw Error(
          ErrorKind::conflict,
          fmt::format(
              "{} lets a transaction stand still for {} s at least, and the lease on this sync runs out "
              "before that: a longer \"engine.lease\" (3s or more) leaves time",
              session_.server().text(), idle_limit_.count()));
  }

  /// `left`: of the lease.
  void limit(std::chrono::milliseconds left) {
    idle_limit_ =
        std::max<std::chrono::seconds>(1s, std::chrono::duration_cast<std::chrono::seconds>(left / 2));
    const long idle = idle_limit_.count();
    std::string sql = fmt::format(
        "SET SESSION innodb_lock_wait_timeout = {}, net_read_timeout = {}, net_write_timeout = {}, ",
        std::clamp(idle / 2, 1L, 50L), idle, idle);
    // MySQL ends no transaction for being idle, only the session; and no write for taking long.
    if (session_.server().mariadb)
      sql += fmt::format("idle_transaction_timeout = {}, max_statement_time = {}", idle,
                         std::max(1.5, 0.75 * static_cast<double>(left.count()) / 1000));
    else sql += fmt::format("wait_timeout = {}", idle);
    session_.execute(sql);
  }

  Session& session_;
  const Fence& fence_;
  std::chrono::seconds idle_limit_{0};
  bool open_ = false;
};

TableDestination::TableDestination(std::shared_ptr<Sessions> sessions, DestinationSpec spec)
    : sessions_(std::move(sessions)), spec_(std::move(spec)), login_(sessions_, Purpose::write) {}

// --- preparing ----------------------------------------------------------------------------------------------------

Prepared TableDestination::prepare(bool dry_run) {
  Session& session = login_.session();
  // Worth another attempt: while one server takes over from another, either may be the one that answers.
  if (const std::string why = why_no_writes(session); !why.empty())
    throw Error(ErrorKind::unavailable, fmt::format("{} on {}: the server {}", session.server().text(),
                                                    session.target().shown(), why));
  Catalog catalog(session);
  const TableName name = catalog.resolve(spec_.table, sessions_->settings().target.database);
  auto found = catalog.find(name);
  if (!found) {
    Prepared prepared = create(name, dry_run);
    if (dry_run) return prepared;
    found = catalog.at(name);
    // What was made from the incoming fields needs no word on how it differs from them.
    std::vector<std::string> ignored;
    take(std::move(*found), ignored);
    return prepared;
  }
  Prepared prepared;
  take(std::move(*found), prepared.warnings);
  prepared.empty = session.rows("SELECT 1 FROM " + table_->def.quoted_name() + " LIMIT 1").empty();
  if (!prepared.empty && spec_.existing == Existing::refuse)
    throw Error(
        ErrorKind::bad_config,
        fmt::format(
            "table {} has rows, and \"existing\" is refuse: empty it, or set existing to adopt or replace",
            spec_.table));
  return prepared;
}

void TableDestination::take(TableDef&& found, std::vector<std::string>& warnings) {
  Session& session = login_.current();
  // A login without a right on any of its columns sees none.
  if (found.columns.empty()) throw missing_rights(session, found, needed_rights(spec_));
  table_ = check_table(std::move(found), spec_, sessions_->settings(), session.server(), warnings);
  check_write_rights(session, table_->def, statements(), spec_);
}

Prepared TableDestination::create(const TableName& name, bool dry_run) {
  Session& session = login_.current();
  if (!spec_.create) {
    const std::string near = nearest(name.table, Catalog(session).names(name.database));
    throw Error(ErrorKind::bad_config,
                fmt::format("database {} on {} has no table \"{}\"{}; create it, or set \"create: true\"",
                            name.database, session.target().shown(), name.table,
                            near.empty() ? "" : " (did you mean \"" + near + "\"?)"));
  }
  if (spec_.incoming.key.empty())
    throw Error(
        ErrorKind::bad_config,
        fmt::format("table {}: the mapping has no key: name the fields that identify a row under \"key\"",
                    name.table));
  Prepared prepared;
  prepared.empty = true;
  prepared.ddl = create_statement(name, spec_, session.server(), prepared.warnings);
  if (dry_run) {
    check_creation_rights(session, name, spec_);
    return prepared;
  }
  try {
    session.execute(prepared.ddl);
  } catch (const Error& error) {
    throw creation_error(session, name, spec_, error);
  }
  prepared.created = true;
  return prepared;
}

const TargetTable& TableDestination::table() {
  if (!table_) throw Error(ErrorKind::bug, "table " + spec_.table + " was not prepared");
  return *table_;
}

// --- writing ------------------------------------------------------------------------------------------------------

Session& TableDestination::ready_session() {
  Session& session = login_.session();
  if (login_.generation() != cached_for_) {
    cache_.clear();
    cached_for_ = login_.generation();
    const auto limit = session.rows("SELECT CAST(@@max_allowed_packet AS CHAR)").at(0).at(0).value_or("0");
    max_packet_bytes_ =
        std::max<std::size_t>(std::strtoull(limit.c_str(), nullptr, 10), 2 * kPacketHead) - kPacketHead;
  }
  return session;
}

/// The offset of a DATETIME's zone changes twice a year, and the statements hold it.
Statements TableDestination::statements() {
  const Time now = sessions_->clock().now();
  const Zone& zone = sessions_->settings().zone;
  const std::string clock =
      zone.is_fixed()
          ? ""
          : std::to_string(zone.to_local(now.time_since_epoch().count()) - now.time_since_epoch().count());
  if (clock != cached_clock_) {
    cache_.clear();
    cached_clock_ = clock;
  }
  return {table(), zone, now};
}

WriteResult TableDestination::write(const Batch& batch, WriteMode mode, const Fence& fence) {
  table();
  if (batch.rows() == 1 && batch.changes[0].operation == Operation::truncate) {
    WriteResult result;
    (clear(fence) > 0 ? result.deleted : result.unchanged) = 1;
    return result;
  }
  Arena arena;
  std::vector<Rejection> refused;
  Session& session = ready_session();
  std::vector<EncodedChange> changes = encode(batch, arena, refused);
  const Statements sql = statements();
  for (;;) {
    Transaction transaction(session, fence);
    RowWriter writer(session, *table_, sql, cache_, max_packet_bytes_);
    apply(writer, changes, mode);
    if (!writer.folded().empty()) {
      // One of two keys that the table takes for one was written: neither may be.
      std::erase_if(changes,
                    [&](const EncodedChange& change) { return writer.folded().count(change.change) != 0; });
      for (const auto& [index, rejection] : writer.folded()) refused.push_back(rejection);
      continue;
    }
    transaction.commit();
    WriteResult result = std::move(writer.result());
    result.rejected.insert(result.rejected.end(), refused.begin(), refused.end());
    std::sort(result.rejected.begin(), result.rejected.end(),
              [](const Rejection& a, const Rejection& b) { return a.change < b.change; });
    return result;
  }
}

void TableDestination::apply(RowWriter& writer, const std::vector<EncodedChange>& changes,
                             WriteMode mode) const {
  std::vector<EncodedChange> removes, upserts;
  const auto write_upserts = [&] {
    writer.upsert(upserts, mode == WriteMode::append);
    upserts.clear();
  };
  // Removes first: they free unique values. Only where rows refer to others of this table does each keep its place.
  const bool in_order = table_->def.refers_to_itself;
  const auto flush_removes = [&] {
    writer.remove(removes);
    removes.clear();
  };
  const auto each = [&](Operation operation, auto&& action) {
    for (const EncodedChange& change : changes)
      if (change.operation == operation) action(change);
  };
  const auto add_upsert = [&](const EncodedChange& change) {
    if (!upserts.empty() && upserts.front().present != change.present) write_upserts();
    upserts.push_back(change);
  };
  if (in_order) {
    for (const EncodedChange& change : changes) {
      if (change.operation != Operation::remove) flush_removes();
      if (change.operation != Operation::upsert) write_upserts();
      if (change.operation == Operation::remove) removes.push_back(change);
      else if (change.operation == Operation::upsert) add_upsert(change);
      else writer.move(change);
    }
    flush_removes();
  } else {
    each(Operation::remove, [&](const EncodedChange& change) { removes.push_back(change); });
    flush_removes();
    each(Operation::move, [&](const EncodedChange& change) { writer.move(change); });
    each(Operation::upsert, add_upsert);
  }
  write_upserts();
  writer.retry();
}

std::vector<EncodedChange> TableDestination::encode(const Batch& batch, Arena& arena,
                                                    std::vector<Rejection>& misfits) {
  std::vector<EncodedChange> changes;
  changes.reserve(batch.rows());
  for (std::size_t i = 0; i < batch.rows(); ++i) {
    EncodedChange encoded;
    encoded.change = i;
    encoded.operation = batch.changes[i].operation;
    Rejection misfit;
    misfit.change = i;
    if (encode_cells(batch.changes[i], encoded, arena, misfit)) changes.push_back(encoded);
    else misfits.push_back(std::move(misfit));
  }
  return changes;
}

bool TableDestination::encode_cells(const Change& change, EncodedChange& out, Arena& arena,
                                    Rejection& misfit) {
  const auto refuse = [&](std::size_t field, std::string reason, RejectionCause cause) {
    misfit.field = table_->column(field).name;
    misfit.reason = std::move(reason);
    misfit.cause = cause;
    return false;
  };
  const std::span<Encoded> cells = encoded_cells(arena, table_->encoders.size());
  present_.clear();
  std::size_t field = 0;
  try {
    for (; field < cells.size(); ++field) {
      const bool key = table_->is_key(field);
      const Value& value = change.row[field];
      if (value.is_absent() || (change.operation == Operation::remove && !key)) continue;
      if (value.is_null() && (key || !table_->column(field).nullable))
        return refuse(field, key ? "the key has no value" : "the column is NOT NULL",
                      RejectionCause::constraint);
      cells[field] = table_->encoders[field].encode(value, arena);
      present_.push_back(field);
      out.size_bytes += cells[field].size_bytes();
    }
    if (change.operation == Operation::move) {
      const std::span<Encoded> old_key = encoded_cells(arena, table_->key.size());
      for (std::size_t part = 0; part < old_key.size(); ++part) {
        field = table_->key[part];
        old_key[part] = table_->encoders[field].encode(change.old_key[part], arena);
      }
      out.old_key = old_key;
    }
  } catch (const Misfit& problem) {
    return refuse(field, problem.reason, RejectionCause::value);
  }
  out.cells = cells;
  out.present = &*presents_.insert(present_).first;
  if (out.size_bytes > max_packet_bytes_) {
    misfit.reason = fmt::format("the row takes {} bytes, and the server takes {} (max_allowed_packet)",
                                out.size_bytes, max_packet_bytes_);
    return false;
  }
  return true;
}

// --- clearing -----------------------------------------------------------------------------------------------------

std::size_t TableDestination::remove_all(const Fence& fence) {
  table();
  return clear(fence);
}

/// In transactions of some thousand rows, each within the lease: one for all might outlast it on a large table. Never
/// TRUNCATE, which commits by itself.
std::size_t TableDestination::clear(const Fence& fence) {
  Session& session = ready_session();
  const std::string sql = statements().remove_any(kClearRows);
  std::size_t removed = 0;
  for (;;) {
    Transaction transaction(session, fence);
    const Outcome outcome = session.execute(sql);
    transaction.commit();
    removed += outcome.affected;
    if (outcome.affected < kClearRows) return removed;
  }
}

}  // namespace syncflow::mysql
