#include "providers/postgresql/destination.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "providers/postgresql/advice.h"
#include "providers/postgresql/catalog.h"
#include "providers/postgresql/local_times.h"
#include "providers/postgresql/predecessors.h"
#include "providers/postgresql/row_refusals.h"
#include "providers/postgresql/staged_write.h"

namespace syncflow::postgresql {
namespace {

/// Longer than any lease: the server stops statements itself, this is for networks that swallow everything.
constexpr auto kPatience = std::chrono::minutes(2);

/// Rows that go in one statement when a table is emptied.
constexpr std::size_t kRowsRemovedAtOnce = 50'000;

/// After so many copies in a row that the table refused, it evidently holds the rows already.
constexpr int kMostRefusedCopies = 3;

// search_path stays as the login has it: triggers of the table run in our session and may count on it.
// "Durable" must mean it, also where somebody traded it for speed.
constexpr const char* kSettings =
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = "
    "'off'";

/// Constraints and unique indexes on a single column: a refusal that names them names the field.
constexpr const char* kConstraintFields = R"sql(
SELECT c.conname, a.attname FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
 WHERE c.conrelid = $1::oid AND array_length(c.conkey, 1) = 1
UNION
SELECT x.relname, a.attname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
 WHERE i.indrelid = $1::oid AND i.indisunique AND i.indnkeyatts = 1)sql";

}  // namespace

StagedDestination::StagedDestination(const Settings& settings, const DestinationSpec& spec,
                                     const Resources& resources)
    : settings_(settings),
      spec_(spec),
      name_(parse_table_name(spec.table, settings.schema)),
      resources_(resources) {}

libpq::Session& StagedDestination::session() {
  if (session_ && session_->usable()) return *session_;
  session_.reset();
  if (resources_.sessions && !place_) place_ = resources_.sessions->take_fresh("writer", resources_.stop);
  session_ = std::make_unique<libpq::Session>(settings_.target, resources_.stop);
  session_->set_patience(kPatience);
  session_->execute(kSettings);
  has_stage_ = false;
  marked_for_.reset();
  return *session_;
}

libpq::Session& StagedDestination::session_for(const Fence& fence) {
  libpq::Session& session = this->session();
  const Holder holder = fence.holder();
  if (holder.sync_id.empty() || marked_for_ == holder.epoch) return session;
  fence.check();
  mark(session, holder);
  end_predecessors(session, holder);
  marked_for_ = holder.epoch;
  return session;
}

template <typename Work>
auto StagedDestination::explaining(const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (!session_) throw;
    throw with_advice(error, *session_, name_, "SELECT, INSERT, UPDATE, DELETE");
  }
}

Prepared StagedDestination::prepare(bool dry_run) {
  return explaining([&] { return prepare_table(dry_run); });
}

/// Worth another attempt: while one server takes over from another, either may be the one that answers.
void StagedDestination::check_takes_writes() {
  const libpq::Rows state =
      session().execute("SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'");
  if (state.boolean(0, 1))
    throw Error(ErrorKind::unavailable, fmt::format("PostgreSQL {} {}", settings_.target.place(),
                                                    why_no_writes(state.boolean(0, 0))));
}

Prepared StagedDestination::prepare_table(bool dry_run) {
  Prepared prepared;
  check_takes_writes();
  auto relation = find_relation(session(), name_);
  if (!relation) {
    if (!spec_.create)
      throw Error(ErrorKind::bad_config,
                  missing_table(session(), name_) + "; make it, or set \"create: true\"");
    check_may_create(session(), name_);
    prepared.ddl = create_statement(spec_, name_, known_natives(session(), spec_.incoming));
    prepared.empty = true;
    if (dry_run) return prepared;
    session().execute(prepared.ddl);
    prepared.created = true;
    relation = need_relation(session(), name_);
  }
  const Zone zone = LocalTimes(settings_.zone, session()).zone();
  target_ = match_table(session(), *relation, spec_, zone, prepared.warnings);
  const libpq::Rows fields = session().query(kConstraintFields, {std::to_string(relation->oid)});
  constraint_fields_.clear();
  for (int row = 0; row < fields.size(); ++row)
    constraint_fields_[fields.string(row, 0)] = fields.string(row, 1);
  prepared.empty =
      session().execute("SELECT NOT EXISTS (SELECT 1 FROM " + name_.quoted() + ")").boolean(0, 0);
  return prepared;
}

void StagedDestination::prepare_if_needed() {
  if (!target_) prepare_table(false);
}

void StagedDestination::ensure_stage() {
  if (session(); has_stage_) return;
  session().execute(WriteStatements(*target_).create_stage());
  has_stage_ = true;
}

WriteResult StagedDestination::write(const Batch& batch, WriteMode mode, const Fence& fence) {
  return explaining([&] {
    prepare_if_needed();
    if (batch.changes.size() == 1 && batch.changes.front().operation == Operation::truncate)
      return write_truncate(fence);
    if (mode == WriteMode::append && may_append(batch))
      if (auto result = append(batch, fence)) return *std::move(result);
    return write_staged(batch, fence);
  });
}

WriteResult StagedDestination::write_truncate(const Fence& fence) {
  WriteResult result;
  (remove_all(fence) > 0 ? result.deleted : result.unchanged) = 1;
  return result;
}

bool StagedDestination::may_append(const Batch& batch) const {
  if (!target_->takes_copies || refused_copies_ >= kMostRefusedCopies) return false;
  return std::all_of(batch.changes.begin(), batch.changes.end(), [](const Change& change) {
    return change.operation == Operation::upsert &&
           std::none_of(change.row.begin(), change.row.end(),
                        [](const Value& cell) { return cell.is_absent(); });
  });
}

std::optional<WriteResult> StagedDestination::append(const Batch& batch, const Fence& fence) {
  FencedTransaction transaction(session_for(fence), fence);
  std::int64_t stamp = 0;
  if (target_->stamp)
    stamp = transaction
                .execute(fmt::format("SELECT (extract(epoch FROM {}) * 1000000)::bigint",
                                     target_->stamp->expression))
                .integer(0, 0) -
            sql::pg::kEpochMicroseconds;
  const auto refused = [&](const libpq::ServerError& error) -> std::optional<WriteResult> {
    // A row that is there already, or one that the table does not take; or a table under row security, which
    // takes no COPY at all: the stage sorts them out.
    if (!is_about_a_row(error) && !error.is("0A000")) throw session().to_error(error);
    ++refused_copies_;
    return std::nullopt;
  };
  if (const auto begun = transaction.begin_copy_in(WriteStatements(*target_).copy_into_table());
      begun.refused)
    return refused(*begun.refused);
  WriteResult result;
  CopyRows rows(session());
  std::string reason;
  for (std::size_t i = 0; i < batch.changes.size(); ++i) {
    rows.begin_row(target_->columns.size() + (target_->stamp ? 1 : 0));
    const TargetColumn* misfit = nullptr;
    for (std::size_t c = 0; c < target_->columns.size() && !misfit; ++c)
      if (!rows.put(*target_->columns[c].writing.direct, batch.changes[i].row[c], reason))
        misfit = &target_->columns[c];
    if (misfit) {
      result.rejected.push_back({i, misfit->column.name, reason, RejectionCause::value});
      rows.drop_row();
      continue;
    }
    if (target_->stamp) rows.put_moment(stamp);
    rows.end_row();
  }
  const libpq::Answer copied = rows.finish();
  if (copied.refused) return refused(*copied.refused);
  result.written = copied.rows.affected();
  // A trigger may leave rows out on purpose.
  result.unchanged = batch.changes.size() - result.rejected.size() - result.written;
  transaction.commit();
  refused_copies_ = 0;
  return result;
}

WriteResult StagedDestination::write_staged(const Batch& batch, const Fence& fence) {
  ensure_stage();
  FencedTransaction transaction(session_for(fence), fence);
  WriteResult result = StagedWrite(*target_, spec_.deletes, constraint_fields_, transaction, batch).run();
  transaction.commit();
  return result;
}

std::size_t StagedDestination::remove_all(const Fence& fence) {
  return explaining([&] {
    prepare_if_needed();
    const WriteStatements statements(*target_);
    const std::string sql = target_->soft_delete ? statements.mark_some_removed(kRowsRemovedAtOnce)
                                                 : statements.remove_some(kRowsRemovedAtOnce);
    std::size_t removed = 0;
    // Piece by piece, so that no transaction outlasts the lease.
    for (std::size_t some = 1; some > 0; removed += some) {
      FencedTransaction transaction(session_for(fence), fence);
      some = transaction.execute(sql).affected();
      transaction.commit();
    }
    return removed;
  });
}

}  // namespace syncflow::postgresql
