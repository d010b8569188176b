#include "providers/mysql/row_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/text.h"
#include "providers/mysql/refusal.h"

namespace syncflow::mysql {
namespace {

/// Rows of one statement. Beyond some hundred nothing is won; few sizes mean few statements to prepare.
constexpr std::array<std::size_t, 4> kSizes = {512, 64, 8, 1};
constexpr std::size_t kMostValues = 16'384;
constexpr std::size_t kStatementBytes = 4u << 20;

std::string shown(const Encoded& value) {
  switch (value.form) {
    case Encoded::Form::null: return "null";
    case Encoded::Form::integer: return std::to_string(value.number);
    case Encoded::Form::natural: return std::to_string(static_cast<std::uint64_t>(value.number));
    case Encoded::Form::real: return fmt::format("{}", value.real);
    case Encoded::Form::bytes: return to_hex(value.text);
    case Encoded::Form::text: return std::string(value.text);
  }
  return "";
}

/// For telling keys apart: what they show, with their lengths.
std::string identity_of(std::span<const Encoded> key) {
  std::string out;
  for (const Encoded& part : key) {
    const std::string text = shown(part);
    out += fmt::format("{}:{}:{},", static_cast<int>(part.form), text.size(), text);
  }
  return out;
}

}  // namespace

Statement& StatementCache::get(Session& session, const std::string& name,
                               const std::function<std::string()>& make) {
  const auto found = statements_.find(name);
  if (found != statements_.end()) return found->second;
  if (statements_.size() >= kMost) statements_.clear();
  return statements_.emplace(name, session.prepare(make())).first->second;
}

std::string RowWriter::name_of(const char* form, const std::vector<std::size_t>& fields,
                               std::size_t rows) const {
  std::string name = fmt::format("{} {}:", form, rows);
  for (const std::size_t field : fields) name += fmt::format(" {}", field);
  return name;
}

std::vector<Encoded> RowWriter::key_of(const EncodedChange& row) const {
  std::vector<Encoded> key;
  for (const std::size_t part : table_.key) key.push_back(row.cells[part]);
  return key;
}

// --- many rows at once ------------------------------------------------------------------------------------------

std::size_t RowWriter::chunk_size(Rows rows, std::size_t level, std::size_t values_per_row) const {
  for (std::size_t at = level; at < kSizes.size(); ++at) {
    const std::size_t size = kSizes[at];
    if (size == 1) return 1;
    if (size > rows.size() || size * values_per_row > kMostValues) continue;
    std::size_t bytes = 0;
    for (const EncodedChange& row : rows.first(size)) bytes += row.size_bytes;
    if (bytes <= std::min(kStatementBytes, max_packet_bytes_ / 2)) return size;
  }
  return 1;
}

void RowWriter::apply(Rows rows, std::size_t level, std::size_t values_per_row, Attempt attempt) {
  while (!rows.empty()) {
    const Rows chunk = rows.first(chunk_size(rows, level, values_per_row));
    rows = rows.subspan(chunk.size());
    if ((this->*attempt)(chunk)) continue;
    if (chunk.size() == 1) {
      refuse(chunk.front());
      continue;
    }
    const auto smaller = std::find(kSizes.begin(), kSizes.end(), chunk.size()) + 1;
    apply(chunk, static_cast<std::size_t>(smaller - kSizes.begin()), values_per_row, attempt);
  }
}

bool RowWriter::run(Statement& statement, Outcome& outcome) try {
  outcome = statement.run();
  return true;
} catch (const Error&) {
  if (session_.is_broken() || !is_about_row(session_.last_error())) throw;
  return false;
}

void RowWriter::bind_rows(Statement& statement, Rows rows) {
  std::size_t at = 0;
  for (const EncodedChange& row : rows)
    for (const std::size_t field : *row.present) bind_encoded(statement, at++, row.cells[field]);
}

std::size_t RowWriter::bind_key(Statement& statement, std::size_t at, std::span<const Encoded> key) {
  for (std::size_t i = 0; i < key.size(); ++i) {
    bind_encoded(statement, at++, key[i]);
    if (table_.column(table_.key[i]).folds()) statement.bind_bytes(at++, key[i].text);
  }
  return at;
}

void RowWriter::upsert(const std::vector<EncodedChange>& rows, bool most_likely_new) {
  if (rows.empty()) return;
  if (table_.folds_keys) upserts_.insert(upserts_.end(), rows.begin(), rows.end());
  if (rows.front().present->size() < table_.encoders.size()) {
    for (const EncodedChange& row : rows) upsert_partly(row);
    return;
  }
  apply(rows, 0, rows.front().present->size(),
        most_likely_new ? &RowWriter::try_append : &RowWriter::try_upsert);
}

bool RowWriter::try_append(Rows rows) {
  const auto& fields = *rows.front().present;
  Statement& statement = cache_.get(session_, name_of("insert", fields, rows.size()),
                                    [&] { return statements_.insert(fields, rows.size()); });
  bind_rows(statement, rows);
  Outcome outcome;
  if (run(statement, outcome)) {
    result_.written += rows.size();
    return true;
  }
  const auto level = std::find(kSizes.begin(), kSizes.end(), rows.size()) - kSizes.begin();
  apply(rows, static_cast<std::size_t>(level), fields.size(), &RowWriter::try_upsert);
  return true;
}

bool RowWriter::try_upsert(Rows rows) {
  const auto& fields = *rows.front().present;
  Statement& statement = cache_.get(session_, name_of("upsert", fields, rows.size()),
                                    [&] { return statements_.upsert(fields, rows.size()); });
  bind_rows(statement, rows);
  Outcome outcome;
  if (!run(statement, outcome)) return false;
  // A row that was changed counts twice among the affected, and once among the duplicates.
  const std::size_t written = rows.size() == 1 ? std::min<std::size_t>(outcome.affected, 1)
                                               : outcome.affected - outcome.count("Duplicates");
  result_.written += written;
  result_.unchanged += rows.size() - written;
  return true;
}

void RowWriter::remove(const std::vector<EncodedChange>& rows) {
  if (rows.empty()) return;
  apply(rows, 0, 2 * table_.key.size(), &RowWriter::try_remove);
}

bool RowWriter::try_remove(Rows rows) {
  Statement& statement = cache_.get(session_, name_of("remove", {}, rows.size()),
                                    [&] { return statements_.remove(rows.size()); });
  std::size_t at = 0;
  for (const EncodedChange& row : rows) at = bind_key(statement, at, key_of(row));
  Outcome outcome;
  if (!run(statement, outcome)) return false;
  result_.deleted += outcome.affected;
  result_.unchanged += rows.size() - outcome.affected;
  return true;
}

// --- one by one -------------------------------------------------------------------------------------------------

/// A row with absent cells: what is there keeps them, what is new takes the table's defaults.
void RowWriter::upsert_partly(const EncodedChange& row) {
  bool changed = false;
  const std::size_t refused_before = result_.rejected.size();
  if (update_present(row, changed)) {
    (changed ? result_.written : result_.unchanged) += 1;
    return;
  }
  if (result_.rejected.size() == refused_before)
    apply({&row, 1}, 0, row.present->size(), &RowWriter::try_append);
}

/// False when there is no such row, or it was refused.
bool RowWriter::update_present(const EncodedChange& row, bool& changed) {
  const std::vector<Encoded> key = key_of(row);
  const std::string sql = statements_.update(*row.present);
  if (sql.empty()) return exists(key);
  Statement& update = cache_.get(session_, name_of("update", *row.present, 1), [&] { return sql; });
  std::size_t at = 0;
  for (const std::size_t field : *row.present)
    if (!table_.is_key(field)) bind_encoded(update, at++, row.cells[field]);
  bind_key(update, at, key);
  Outcome outcome;
  if (!run(update, outcome)) {
    refuse(row);
    return false;
  }
  changed = outcome.affected > 0;
  if (changed && !table_.stamp.empty()) {
    Statement& stamp = cache_.get(session_, "stamp", [&] { return statements_.set_stamp(); });
    bind_key(stamp, 0, key);
    stamp.run();
  }
  return outcome.count("Rows matched") > 0;
}

bool RowWriter::exists(std::span<const Encoded> key) {
  Statement& find = cache_.get(session_, "find", [&] { return statements_.find(); });
  bind_key(find, 0, key);
  find.open();
  const bool found = find.fetch();
  find.close();
  return found;
}

void RowWriter::move(const EncodedChange& change) {
  const WriteResult before = result_;
  const auto refused_before = refused_.size();
  session_.execute("SAVEPOINT syncflow_move");
  const bool moved = make_way(change);
  if (result_.rejected.size() == before.rejected.size()) {
    if (change.present->size() < table_.encoders.size()) upsert_partly(change);
    else apply({&change, 1}, 0, change.present->size(), &RowWriter::try_upsert);
  }
  if (result_.rejected.size() > before.rejected.size()) {
    session_.execute("ROLLBACK TO SAVEPOINT syncflow_move");
    // Only the move as a whole can be tried again.
    refused_.resize(refused_before);
    if (result_.rejected.back().cause != RejectionCause::value) refused_.push_back(change);
    return;
  }
  session_.execute("RELEASE SAVEPOINT syncflow_move");
  taken_keys_.insert(identity_of(key_of(change)));
  if (moved && result_.written == before.written) {
    ++result_.written;
    --result_.unchanged;
  }
}

/// Takes the old row to the new key, or away where the new key has a row already. Whether anything changed.
bool RowWriter::make_way(const EncodedChange& change) {
  // An earlier move of this batch put another row there.
  if (taken_keys_.count(identity_of(change.old_key))) return false;
  if (!exists(change.old_key)) return false;
  const std::vector<Encoded> key = key_of(change);
  const bool occupied = exists(key);
  Statement& statement =
      occupied ? cache_.get(session_, name_of("remove", {}, 1), [&] { return statements_.remove(1); })
               : cache_.get(session_, "rename", [&] { return statements_.rename(); });
  std::size_t at = 0;
  if (!occupied)
    for (const Encoded& part : key) bind_encoded(statement, at++, part);
  bind_key(statement, at, change.old_key);
  Outcome outcome;
  if (!run(statement, outcome)) {
    refuse(change);
    return false;
  }
  return outcome.affected > 0;
}

// --- rows that are refused --------------------------------------------------------------------------------------

void RowWriter::refuse(const EncodedChange& row) {
  const Session::ServerError error = session_.last_error();
  if (is_guard(error)) return explain_guard(row);
  const RejectionCause cause = cause_of(error);
  std::string field = column_in(error.words);
  if (field.empty() && cause == RejectionCause::value) field = suspect(row, error);
  refuse(row, std::move(field), error.words, cause);
  if (cause == RejectionCause::unique || cause == RejectionCause::foreign_key) refused_.push_back(row);
}

/// Where the server does not say which column it was, the only one that it can have been.
std::string RowWriter::suspect(const EncodedChange& row, const Session::ServerError& error) const {
  std::string found;
  for (const std::size_t field : *row.present) {
    const ColumnInfo& column = table_.column(field);
    if (row.cells[field].form == Encoded::Form::null || !can_be_about(error, column.kind, column.charset))
      continue;
    if (!found.empty()) return "";
    found = column.name;
  }
  return found;
}

void RowWriter::refuse(const EncodedChange& row, std::string field, std::string reason,
                       RejectionCause cause) {
  result_.rejected.push_back({row.change, std::move(field), std::move(reason), cause});
}

/// The row would have changed another: either the table takes two keys for one, or another unique index is in the way.
void RowWriter::explain_guard(const EncodedChange& row) {
  if (table_.folds_keys && refuse_folded(row)) return;
  // A plain INSERT says which index it is.
  session_.execute("SAVEPOINT syncflow_guard");
  Statement& insert = cache_.get(session_, name_of("insert", *row.present, 1),
                                 [&] { return statements_.insert(*row.present, 1); });
  bind_rows(insert, {&row, 1});
  Outcome outcome;
  const bool inserted = run(insert, outcome);
  session_.execute("ROLLBACK TO SAVEPOINT syncflow_guard");
  refuse(row, "",
         inserted ? "another row has the same value under a unique index" : session_.last_error().words,
         RejectionCause::unique);
  refused_.push_back(row);
}

bool RowWriter::refuse_folded(const EncodedChange& row) {
  const std::vector<Encoded> key = key_of(row);
  Statement& find = cache_.get(session_, "find folded", [&] { return statements_.find_folded(); });
  for (std::size_t i = 0; i < key.size(); ++i) bind_encoded(find, i, key[i]);
  find.open();
  std::vector<std::string> stored;
  if (find.fetch())
    for (std::size_t i = 0; i < key.size(); ++i)
      stored.push_back(text_of(find.columns()[i], find.cells()[i]));
  find.close();
  if (stored.empty()) return false;
  std::size_t part = 0;
  const auto same_texts = [&](const std::vector<Encoded>& other) {
    for (std::size_t i = 0; i < key.size(); ++i) {
      if (!table_.column(table_.key[i]).folds() || other[i].text == stored[i]) continue;
      part = i;
      return false;
    }
    return true;
  };
  if (same_texts(key)) return false;
  const Rejection rejection{
      row.change, table_.column(table_.key[part]).name,
      fmt::format(
          "the table takes the key \"{}\" for \"{}\": give the column a collation that tells them apart",
          shortened(key[part].text, 60), shortened(stored[part], 60)),
      RejectionCause::unique};
  result_.rejected.push_back(rejection);
  for (const EncodedChange& other : upserts_) {
    if (!same_texts(key_of(other))) continue;
    folded_[row.change] = rejection;
    folded_[other.change] = rejection;
    folded_[other.change].change = other.change;
  }
  return true;
}

/// In a batch rows may free what others want: a unique value, a row that others refer to.
void RowWriter::retry() {
  for (bool progress = true; progress && !refused_.empty();) {
    std::vector<EncodedChange> again;
    again.swap(refused_);
    const std::size_t refused_before = result_.rejected.size();
    for (const EncodedChange& row : again) {
      std::erase_if(result_.rejected,
                    [&](const Rejection& rejection) { return rejection.change == row.change; });
      switch (row.operation) {
        case Operation::remove: apply({&row, 1}, 0, 2 * table_.key.size(), &RowWriter::try_remove); break;
        case Operation::move: move(row); break;
        default:
          if (row.present->size() < table_.encoders.size()) upsert_partly(row);
          else apply({&row, 1}, 0, row.present->size(), &RowWriter::try_upsert);
      }
    }
    progress = result_.rejected.size() < refused_before;
  }
}

}  // namespace syncflow::mysql
