#include "providers/sqlite/destination.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "core/failpoint.h"
#include "core/text.h"

namespace syncflow::sqlite {
namespace {

/// One row's refusal on its way to its Rejection.
struct Refused {
  std::string field;
  std::string reason;
  RejectionCause cause;
};

/// "UNIQUE constraint failed: people.email, people.team" -> "email"; empty where the words name no field.
std::string field_named_in(const std::string& message) {
  const auto colon = message.find(": ");
  if (colon == std::string::npos) return {};
  std::string names = message.substr(colon + 2);
  names = names.substr(0, names.find(", "));
  const auto dot = names.find('.');
  return dot == std::string::npos ? "" : names.substr(dot + 1);
}

Refused refused(const Ran& ran) {
  switch (ran.code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return {field_named_in(ran.message), "another row has the same value: " + ran.message,
              RejectionCause::unique};
    case SQLITE_CONSTRAINT_FOREIGNKEY: return {"", ran.message, RejectionCause::foreign_key};
    case SQLITE_CONSTRAINT_NOTNULL:
      return {field_named_in(ran.message), ran.message, RejectionCause::constraint};
    case SQLITE_CONSTRAINT_DATATYPE:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG: return {"", ran.message, RejectionCause::value};
    default: return {"", ran.message, RejectionCause::constraint};
  }
}

/// What an index with this collation takes a text for.
std::string folded(std::string text, const std::string& collation) {
  if (collation == "NOCASE")
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (collation == "RTRIM") text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

TableWriter::TableWriter(const DestinationSpec& spec, const Settings& settings, Resources resources)
    : spec_(spec), settings_(settings), resources_(std::move(resources)) {
  spelling_.offset = settings.naive_offset;
}

void TableWriter::open(bool create) {
  if (!database_) database_ = open_file_to_write(settings_, create, resources_.stop);
}

Prepared TableWriter::prepare(bool dry_run) {
  statements_.reset();
  target_.reset();
  if (!file_exists(settings_)) {
    if (!spec_.create) open(false);
    check_may_make_file(settings_);
    return create(dry_run);
  }
  open(false);
  const auto table = find_table(*database_, spec_.table);
  if (!table) return create(dry_run);
  Prepared prepared;
  bind_to(*table, prepared.warnings);
  prepared.empty = !database_->prepare("SELECT 1 FROM " + target_->table + " LIMIT 1").step();
  return prepared;
}

Prepared TableWriter::create(bool dry_run) {
  if (!spec_.create) {
    const std::string near = nearest(spec_.table, table_names(*database_));
    throw Error(ErrorKind::bad_config,
                fmt::format("{} has no table {}{}: create it, or say create: true", settings_.path,
                            spec_.table, near.empty() ? "" : fmt::format(" (the nearest is {})", near)));
  }
  Prepared prepared;
  prepared.created = true;
  prepared.empty = true;
  prepared.ddl = create_statement(spec_);
  if (dry_run) return prepared;
  open(true);
  database_->execute(prepared.ddl);
  bind_to(table_at(*database_, spec_.table), prepared.warnings);
  return prepared;
}

void TableWriter::bind_to(const Table& table, std::vector<std::string>& warnings) {
  target_ = match_target(spec_, table, warnings);
  statements_.emplace(*database_, *target_);
}

// --- a batch ---

WriteResult TableWriter::write(const Batch& batch, WriteMode mode, const Fence& fence) {
  if (!target_) throw Error(ErrorKind::bug, "a table was written before it was prepared");
  if (batch.schema().fields.size() != target_->columns.size())
    throw Error(ErrorKind::bug, fmt::format("table {} was prepared for other fields", spec_.table));
  Attempt attempt;
  attempt.mode = mode;
  while (true)
    if (auto result = try_to_write(batch, fence, attempt)) return *std::move(result);
}

/// No wait may outlast the lease.
void TableWriter::begin_wait(const Fence& fence) {
  database_->wait_at_most(std::clamp(fence.left(), std::chrono::milliseconds(0), settings_.busy_timeout));
}

void TableWriter::commit(Transaction& transaction, const Fence& fence) {
  failpoint("sqlite.before_commit");
  fence.check();
  begin_wait(fence);
  // Whoever is frozen here holds the file's lock: nobody else writes before this COMMIT.
  failpoint("destination.before_commit");
  transaction.commit();
  failpoint("sqlite.after_commit");
}

std::optional<WriteResult> TableWriter::try_to_write(const Batch& batch, const Fence& fence,
                                                     Attempt& attempt) {
  begin_wait(fence);
  Transaction transaction(*database_);
  failpoint("destination.begun");
  fence.check();
  read_clock();
  WriteResult result;
  std::vector<bool> rejected(batch.changes.size());
  reject_folded_keys(batch, rejected, result);
  for (std::size_t i = 0; i < batch.changes.size(); ++i) {
    if (rejected[i]) continue;
    apply(batch, i, attempt, result);
    if (database_->in_transaction()) continue;
    attempt.left_out.insert(i);
    return std::nullopt;
  }
  if (owes_foreign_keys()) {
    attempt.row_by_row = true;
    return std::nullopt;
  }
  commit(transaction, fence);
  std::sort(result.rejected.begin(), result.rejected.end(),
            [](const Rejection& a, const Rejection& b) { return a.change < b.change; });
  return result;
}

/// After BEGIN: no row gets a mark or stamp from before the time that the lock was ours.
void TableWriter::read_clock() {
  arena_.clear();
  const auto now = Value::timestamp_tz(resources_.clock.now().time_since_epoch().count());
  sqlite::encode(now, column_type("TIMESTAMPTZ"), spelling_, arena_, now_);
  now_text_ = now_.bytes;
  now_ = Stored::text(now_text_);
}

bool TableWriter::owes_foreign_keys() const {
  int owed = 0, highest = 0;
  sqlite3_db_status(database_->handle(), SQLITE_DBSTATUS_DEFERRED_FKS, &owed, &highest, 0);
  return owed != 0;
}

void TableWriter::apply(const Batch& batch, std::size_t index, const Attempt& attempt, WriteResult& result) {
  const Change& change = batch.changes[index];
  const bool guarded = attempt.row_by_row || change.operation == Operation::move || target_->has_triggers;
  arena_.clear();
  try {
    if (attempt.left_out.count(index))
      throw Refused{"", "a trigger of the table rolls every transaction back that writes this row",
                    RejectionCause::constraint};
    if (guarded) database_->execute("SAVEPOINT syncflow_row");
    const Outcome outcome = change_row(change, attempt);
    if (attempt.row_by_row && owes_foreign_keys())
      throw Refused{"", "FOREIGN KEY constraint failed (checked at COMMIT)", RejectionCause::foreign_key};
    if (guarded) database_->execute("RELEASE syncflow_row");
    if (outcome == Outcome::written) ++result.written;
    else if (outcome == Outcome::deleted) ++result.deleted;
    else ++result.unchanged;
  } catch (const Refused& refused) {
    result.rejected.push_back({index, refused.field, refused.reason, refused.cause});
    if (guarded && database_->in_transaction() && attempt.left_out.count(index) == 0)
      database_->execute("ROLLBACK TO syncflow_row; RELEASE syncflow_row");
  }
}

TableWriter::Outcome TableWriter::change_row(const Change& change, const Attempt& attempt) {
  switch (change.operation) {
    case Operation::upsert: return upsert(encode(change), attempt.mode);
    case Operation::move: return move(change, encode(change), attempt.mode);
    case Operation::remove: return remove(change);
    case Operation::truncate: {
      const Ran ran = statements_->remove_all(now_);
      if (!ran.done()) throw refused(ran);
      return database_->changes() > 0 ? Outcome::deleted : Outcome::unchanged;
    }
  }
  throw Error(ErrorKind::bug, "an unknown operation");
}

TableWriter::Outcome TableWriter::upsert(const WriteStatements::Cells& cells, WriteMode mode) {
  if (target_->folds_keys() && statements_->folded_exists(statements_->key_of(cells)))
    throw Refused{target_->columns[target_->key[0]].field,
                  "another row has a key that is the same to the table's unique index",
                  RejectionCause::unique};
  Ran ran;
  if (mode == WriteMode::append) ran = statements_->insert(cells, now_);
  if (mode == WriteMode::upsert || ran.duplicate()) ran = statements_->upsert(cells, now_);
  // SQLite judges the row that would be inserted before it looks for the one to update: where not all of a row
  // comes in, the one judged is not the one that would come out.
  const bool partial = target_->has_other_columns ||
                       std::any_of(cells.begin(), cells.end(), [](const auto& cell) { return !cell; });
  if (!ran.done() && partial && database_->in_transaction() &&
      statements_->exists(statements_->key_of(cells)))
    ran = statements_->update(cells, now_);
  return outcome_of(ran, cells);
}

TableWriter::Outcome TableWriter::outcome_of(const Ran& ran, const WriteStatements::Cells& cells) {
  if (!ran.done()) throw refused(ran);
  if (database_->changes() > 0) return Outcome::written;
  if (target_->has_triggers && !statements_->equals(cells))
    throw Refused{"", "a trigger of the table left the row out (RAISE(IGNORE))", RejectionCause::constraint};
  return Outcome::unchanged;
}

TableWriter::Outcome TableWriter::move(const Change& change, const WriteStatements::Cells& cells,
                                       WriteMode mode) {
  const auto old_key = encode_key(change.old_key);
  const std::vector<Stored> new_key = statements_->key_of(cells);
  if (!old_key || *old_key == new_key || !statements_->exists(*old_key)) return upsert(cells, mode);
  if (const Ran ran = statements_->erase(new_key); !ran.done()) throw refused(ran);
  const Ran ran = statements_->move(cells, *old_key, now_);
  if (!ran.done()) throw refused(ran);
  return Outcome::written;
}

TableWriter::Outcome TableWriter::remove(const Change& change) {
  std::vector<Value> cells;
  for (const std::size_t index : target_->key) cells.push_back(change.row[index]);
  const auto key = encode_key(cells);
  if (!key) return Outcome::unchanged;
  const Ran ran = statements_->remove(*key, now_);
  if (!ran.done()) throw refused(ran);
  return database_->changes() > 0 ? Outcome::deleted : Outcome::unchanged;
}

std::size_t TableWriter::remove_all(const Fence& fence) {
  if (!target_) throw Error(ErrorKind::bug, "a table was emptied before it was prepared");
  begin_wait(fence);
  Transaction transaction(*database_);
  failpoint("destination.begun");
  fence.check();
  read_clock();
  const Ran ran = statements_->remove_all(now_);
  if (!ran.done())
    throw Error(ErrorKind::bad_config,
                fmt::format("removing the rows of {} from {}: {}", spec_.table, settings_.path, ran.message));
  const auto removed = static_cast<std::size_t>(database_->changes());
  commit(transaction, fence);
  return removed;
}

// --- values ---

Stored TableWriter::encode_cell(const Value& value, std::size_t column) {
  const WriteTarget::Column& to = target_->columns[column];
  Stored stored;
  auto reason = sqlite::encode(value, to.type, spelling_, arena_, stored);
  const int most_bytes = sqlite3_limit(database_->handle(), SQLITE_LIMIT_LENGTH, -1);
  if (!reason && stored.bytes.size() > static_cast<std::size_t>(most_bytes))
    reason = fmt::format("it has {} bytes, and SQLite holds at most {}", stored.bytes.size(), most_bytes);
  if (reason) throw Refused{to.field, *reason, RejectionCause::value};
  return stored;
}

WriteStatements::Cells TableWriter::encode(const Change& change) {
  WriteStatements::Cells cells(change.row.size());
  for (std::size_t i = 0; i < change.row.size(); ++i)
    if (!change.row[i].is_absent()) cells[i] = encode_cell(change.row[i], i);
  for (const std::size_t column : target_->key)
    if (!cells[column] || cells[column]->storage == Stored::Class::null)
      throw Refused{target_->columns[column].field, "a part of the key has no value", RejectionCause::value};
  return cells;
}

std::optional<std::vector<Stored>> TableWriter::encode_key(std::span<const Value> key) {
  std::vector<Stored> stored;
  try {
    for (std::size_t i = 0; i < key.size(); ++i) stored.push_back(encode_cell(key[i], target_->key[i]));
  } catch (const Refused&) {
    return std::nullopt;
  }
  return stored;
}

/// Two keys of one batch that the unique index takes for one: neither can be said to be the right one.
void TableWriter::reject_folded_keys(const Batch& batch, std::vector<bool>& rejected, WriteResult& result) {
  if (!target_->folds_keys()) return;
  std::unordered_map<std::string, std::size_t> first;
  const auto reject = [&](std::size_t index) {
    if (rejected[index]) return;
    rejected[index] = true;
    result.rejected.push_back(
        {index, target_->columns[target_->key[0]].field,
         "another row of the source has a key that is the same to the table's unique index",
         RejectionCause::unique});
  };
  for (std::size_t i = 0; i < batch.changes.size(); ++i) {
    const Change& change = batch.changes[i];
    if (change.operation != Operation::upsert && change.operation != Operation::move) continue;
    Key key;
    for (std::size_t part = 0; part < target_->key.size(); ++part)
      key.parts.push_back(folded(to_text(change.row[target_->key[part]]), target_->key_folds[part]));
    const auto [there, is_new] = first.emplace(key.to_json(), i);
    if (is_new) continue;
    reject(there->second);
    reject(i);
  }
}

}  // namespace syncflow::sqlite
