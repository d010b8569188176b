#include "providers/postgresql/staged_write.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "providers/postgresql/row_refusals.h"

namespace syncflow::postgresql {
namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;

/// Trying refused rows again costs a round trip each.
constexpr std::size_t kMostRetried = 1000;

std::size_t changed_rows(const libpq::Answer& answer) {
  return answer.rows.size() > 0 ? static_cast<std::size_t>(answer.rows.integer(0, 0))
                                : answer.rows.affected();
}

std::vector<bool> present_in(const Change& change) {
  std::vector<bool> present;
  for (const Value& cell : change.row) present.push_back(!cell.is_absent());
  return present;
}

}  // namespace

CopyRows::CopyRows(libpq::Session& session) : session_(session), bytes_(sql::pg::kCopyHeader) {
  bytes_.reserve(2 * kPieceBytes);
}

void CopyRows::begin_row(std::size_t fields) {
  row_begin_ = bytes_.size();
  sql::pg::put_network_order(static_cast<std::int16_t>(fields), bytes_);
}

void CopyRows::put_number(std::int32_t number) {
  sql::pg::put_network_order(std::int32_t{4}, bytes_);
  sql::pg::put_network_order(number, bytes_);
}

void CopyRows::put_null() { sql::pg::put_network_order(std::int32_t{-1}, bytes_); }

void CopyRows::put_moment(std::int64_t since_2000) {
  sql::pg::put_network_order(std::int32_t{8}, bytes_);
  sql::pg::put_network_order(since_2000, bytes_);
}

bool CopyRows::put(const sql::pg::Encoding& encoding, const Value& value, std::string& reason) {
  return encoder_.append(encoding, value, bytes_, reason);
}

void CopyRows::end_row() {
  if (bytes_.size() < kPieceBytes) return;
  session_.put_copied(bytes_);
  bytes_.clear();
}

void CopyRows::drop_row() { bytes_.resize(row_begin_); }

libpq::Answer CopyRows::finish() {
  bytes_ += sql::pg::kCopyEnd;
  session_.put_copied(bytes_);
  return session_.end_copy_in();
}

StagedWrite::StagedWrite(const TargetTable& target, Deletes deletes,
                         const std::map<std::string, std::string>& constraint_fields,
                         FencedTransaction& transaction, const Batch& batch)
    : target_(target),
      statements_(target),
      deletes_(deletes),
      constraint_fields_(constraint_fields),
      transaction_(transaction),
      batch_(batch) {}

WriteResult StagedWrite::run() {
  sort_changes();
  fill_stage();
  if (target_.folds_keys) reject_folded_keys();
  // What goes makes room, under the unique indexes, for what comes.
  apply(removed_range_, Kind::remove);
  for (std::size_t n = moved_range_.first; n < moved_range_.end; ++n) apply({n, n + 1}, Kind::move);
  for (const Group& group : groups_) apply(group.range, Kind::upsert);
  retry_refused();
  for (Refused& refused : refused_) result_.rejected.push_back(std::move(refused.rejection));
  return std::move(result_);
}

void StagedWrite::sort_changes() {
  for (std::size_t i = 0; i < batch_.changes.size(); ++i) {
    const Change& change = batch_.changes[i];
    switch (change.operation) {
      case Operation::remove: removes_.push_back(i); break;
      case Operation::move:
        if (keeps_its_key(change)) group_of(change).changes.push_back(i);
        else moves_.push_back(i);
        break;
      case Operation::upsert: group_of(change).changes.push_back(i); break;
      case Operation::truncate: throw Error(ErrorKind::bug, "a truncate came together with other changes");
    }
  }
}

bool StagedWrite::keeps_its_key(const Change& change) const {
  for (std::size_t i = 0; i < target_.key.size(); ++i)
    if (compare(change.old_key[i], change.row[target_.key[i]]) != 0) return false;
  return true;
}

StagedWrite::Group& StagedWrite::group_of(const Change& change) {
  const bool complete =
      std::none_of(change.row.begin(), change.row.end(), [](const Value& cell) { return cell.is_absent(); });
  const std::vector<bool> present =
      complete ? std::vector<bool>(change.row.size(), true) : present_in(change);
  for (Group& group : groups_)
    if (group.present == present) return group;
  groups_.push_back({present, {}, {}});
  return groups_.back();
}

void StagedWrite::fill_stage() {
  has_old_keys_ = !moves_.empty();
  const libpq::Answer begun = transaction_.begin_copy_in(statements_.copy_into_stage(has_old_keys_));
  if (begun.refused) throw transaction_.session().to_error(*begun.refused);
  CopyRows rows(transaction_.session());
  removed_range_ = stage(rows, removes_, Kind::remove);
  moved_range_ = stage(rows, moves_, Kind::move);
  for (Group& group : groups_) group.range = stage(rows, group.changes, Kind::upsert);
  const libpq::Answer ended = rows.finish();
  if (ended.refused) throw transaction_.session().to_error(*ended.refused);
  dropped_.assign(change_of_.size(), false);
}

StageRange StagedWrite::stage(CopyRows& rows, const std::vector<std::size_t>& changes, Kind kind) {
  StageRange range{change_of_.size(), 0};
  for (const std::size_t change : changes) {
    if (!stage_row(rows, change, kind)) {
      rows.drop_row();
      continue;
    }
    rows.end_row();
    change_of_.push_back(change);
    if (kind == Kind::move) present_of_moves_.push_back(present_in(batch_.changes[change]));
  }
  range.end = change_of_.size();
  return range;
}

bool StagedWrite::stage_row(CopyRows& rows, std::size_t index, Kind kind) {
  const Change& change = batch_.changes[index];
  rows.begin_row(1 + target_.columns.size() + (has_old_keys_ ? target_.key.size() : 0));
  rows.put_number(static_cast<std::int32_t>(change_of_.size()));
  for (std::size_t i = 0; i < target_.columns.size(); ++i) {
    const bool wanted = kind != Kind::remove || target_.columns[i].is_key;
    if (!wanted || change.row[i].is_absent()) rows.put_null();
    else if (!put_cell(rows, index, i, kind, change.row[i])) return false;
  }
  for (std::size_t i = 0; has_old_keys_ && i < target_.key.size(); ++i) {
    std::string reason;
    // A key that the column cannot hold is not there: the row is new.
    if (kind != Kind::move ||
        !rows.put(target_.columns[target_.key[i]].writing.encoding, change.old_key[i], reason))
      rows.put_null();
  }
  return true;
}

bool StagedWrite::put_cell(CopyRows& rows, std::size_t change, std::size_t column, Kind kind,
                           const Value& value) {
  std::string reason;
  if (rows.put(target_.columns[column].writing.encoding, value, reason)) return true;
  // A row under a key that the column cannot hold is not there to be removed.
  if (kind == Kind::remove) ++result_.unchanged;
  else
    result_.rejected.push_back({change, target_.columns[column].column.name, reason, RejectionCause::value});
  return false;
}

void StagedWrite::reject_folded_keys() {
  for (const Group& group : groups_) {
    if (group.range.rows() == 0) continue;
    const libpq::Rows folded = transaction_.execute(statements_.folded_keys(group.range));
    std::vector<std::string> numbers;
    for (int row = 0; row < folded.size(); ++row) {
      const auto n = static_cast<std::size_t>(folded.integer(row, 0));
      dropped_[n] = true;
      numbers.push_back(folded.string(row, 0));
      result_.rejected.push_back(
          {change_of_[n], target_.columns[target_.key.front()].column.name,
           "another row's key is not the same, but equal for this table (case or accents)",
           RejectionCause::unique});
    }
    if (!numbers.empty())
      transaction_.execute(
          fmt::format("DELETE FROM pg_temp.syncflow_stage WHERE n IN ({})", join(numbers, ", ")));
  }
}

std::size_t StagedWrite::live_rows(const StageRange& range) const {
  const auto begin = dropped_.begin();
  return static_cast<std::size_t>(std::count(begin + static_cast<std::ptrdiff_t>(range.first),
                                             begin + static_cast<std::ptrdiff_t>(range.end), false));
}

void StagedWrite::apply(const StageRange& range, Kind kind) {
  if (live_rows(range) == 0) return;
  const libpq::Answer answer = attempt(range, kind);
  if (!answer.refused) return count(kind, changed_rows(answer), live_rows(range));
  if (!is_about_a_row(*answer.refused)) throw transaction_.session().to_error(*answer.refused);
  if (range.rows() == 1) return refuse(range.first, kind, *answer.refused);
  const std::size_t middle = range.first + range.rows() / 2;
  apply({range.first, middle}, kind);
  apply({middle, range.end}, kind);
}

libpq::Answer StagedWrite::attempt(const StageRange& range, Kind kind) {
  switch (kind) {
    case Kind::remove:
      return transaction_.attempt_apart(deletes_ == Deletes::soft ? statements_.mark_removed(range)
                                                                  : statements_.remove(range));
    case Kind::move: return attempt_move(range.first);
    case Kind::upsert: break;
  }
  return transaction_.attempt_apart(statements_.upsert(range, group_at(range.first).present));
}

libpq::Answer StagedWrite::attempt_move(std::size_t n) {
  libpq::Answer moved = transaction_.attempt_apart(statements_.move_key(n));
  if (moved.refused) return moved;
  if (changed_rows(moved) == 0) {
    moved = transaction_.attempt(deletes_ == Deletes::soft ? statements_.mark_old_key(n)
                                                           : statements_.remove_old_key(n));
    if (moved.refused) return moved;
  }
  libpq::Answer upserted =
      transaction_.attempt(statements_.upsert({n, n + 1}, present_of_moves_[n - moved_range_.first]));
  // However much of it was done, it is one change.
  return upserted.refused || changed_rows(upserted) > 0 ? std::move(upserted) : std::move(moved);
}

const StagedWrite::Group& StagedWrite::group_at(std::size_t n) const {
  return *std::find_if(groups_.begin(), groups_.end(),
                       [&](const Group& group) { return n >= group.range.first && n < group.range.end; });
}

void StagedWrite::count(Kind kind, std::size_t changed, std::size_t rows) {
  changed = std::min(changed, rows);
  (kind == Kind::remove ? result_.deleted : result_.written) += changed;
  result_.unchanged += rows - changed;
}

void StagedWrite::refuse(std::size_t n, Kind kind, const libpq::ServerError& error) {
  const auto field = constraint_fields_.find(error.constraint);
  Rejection rejection =
      rejection_of(change_of_[n], error, field == constraint_fields_.end() ? "" : field->second);
  if (rejection.cause == RejectionCause::value && rejection.field.empty())
    rejection.field = field_that_fails(n);
  refused_.push_back({n, kind, std::move(rejection)});
}

/// The server does not say which value it could not take: each is tried by itself.
std::string StagedWrite::field_that_fails(std::size_t n) {
  for (std::size_t i = 0; i < target_.columns.size(); ++i) {
    if (target_.columns[i].writing.expression == "{}") continue;
    if (transaction_.attempt_apart(statements_.cast_of(n, i)).refused) return target_.columns[i].column.name;
  }
  return {};
}

/// What stood in the way of a row may have gone, or come, with another row of the batch.
void StagedWrite::retry_refused() {
  const auto may_pass = [](const Refused& refused) {
    return refused.rejection.cause == RejectionCause::unique ||
           refused.rejection.cause == RejectionCause::foreign_key;
  };
  if (std::count_if(refused_.begin(), refused_.end(), may_pass) > static_cast<std::ptrdiff_t>(kMostRetried))
    return;
  for (bool progress = true; progress;) {
    progress = false;
    std::erase_if(refused_, [&](const Refused& refused) {
      if (!may_pass(refused)) return false;
      const libpq::Answer answer = attempt({refused.n, refused.n + 1}, refused.kind);
      if (answer.refused) {
        if (!is_about_a_row(*answer.refused)) throw transaction_.session().to_error(*answer.refused);
        return false;
      }
      count(refused.kind, changed_rows(answer), 1);
      progress = true;
      return true;
    });
  }
}

}  // namespace syncflow::postgresql
