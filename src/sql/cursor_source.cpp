#include "sql/cursor_source.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"

namespace syncflow::sql {
namespace {

using namespace std::chrono_literals;

/// DESIGN 5: rows whose cursor is null are compared one by one, which only small numbers bear.
constexpr std::size_t kMostNullCursors = 10'000;

/// How long a first load waits for the transactions that were open when it began.
constexpr auto kPatience = 2s;

Duration default_overlap(Visibility visibility) {
  switch (visibility) {
    case Visibility::exact: return 5s;
    case Visibility::horizon: return 5min;
    case Visibility::none: return 15min;
  }
  return 15min;
}

bool is_above(const Schema& schema, const Change& change, const std::vector<Value>& key) {
  for (std::size_t i = 0; i < key.size(); ++i)
    if (const auto order = compare(change.row[schema.key[i]], key[i]); order != 0) return order > 0;
  return false;
}

}  // namespace

CursorSource::CursorSource(const SourceSpec& spec, std::unique_ptr<TableReader> reader, Clock& clock)
    : TableSource(spec, std::move(reader), clock),
      overlap_(spec.overlap.value_or(default_overlap(reader_->visibility()))),
      planner_(reader_->cursor_kind(), reader_->visibility(), overlap_),
      cursor_index_(schema()->at(spec.cursor)) {}

void CursorSource::open(const Position& position) {
  stop_reading();
  listing_begins_ = false;
  inherited_ = false;
  check_null_cursors();
  if (position.empty()) return begin_load();
  at_ = own_position(position);
  if (at_.stage == Stage::done) return begin_round();
  inherited_ = true;
  watch_from(at_.stage == Stage::load ? at_.floor : at_.round.next_floor);
}

CursorPosition CursorSource::own_position(const Position& position) {
  CursorPosition at = CursorPosition::from(position);
  check_belongs(at.identity);
  if (at.cursor != spec_.cursor || at.key != key_names_)
    throw Error(ErrorKind::position_lost,
                fmt::format("table {} was read by another cursor field or key before", spec_.table));
  return at;
}

void CursorSource::check_null_cursors() {
  if (!reader_->cursor_nullable() || reader_->key_ascends()) return;
  RowQuery nulls;
  nulls.cursors = RowQuery::Cursors::none;
  if (reader_->count(nulls, kMostNullCursors + 1) <= kMostNullCursors) return;
  throw Error(ErrorKind::bad_config, fmt::format("table {}: more than {} rows have no value in the cursor "
                                                 "field {}: give {} a default and fill it in "
                                                 "(UPDATE … SET {} = … WHERE {} IS NULL)",
                                                 spec_.table, kMostNullCursors, spec_.cursor, spec_.cursor,
                                                 spec_.cursor, spec_.cursor));
}

void CursorSource::begin_load() {
  note_identity();
  at_ = {};
  at_.identity = identity();
  at_.cursor = spec_.cursor;
  at_.key = key_names_;
  at_.stage = Stage::load;
  at_.round.mark = reader_->mark();
  const Mark& mark = at_.round.mark;
  at_.looked_at = mark.at;
  wait_until_quiet(mark);
  planner_.after_load(at_, mark, planner_.is_quiet(mark, reader_->now(), reader_->open_now()));
  note_highest();
  listing_begins_ = true;
  watch_from(at_.floor);
}

/// Where the rows end that the load will find. What comes above later is new, however old its stamp is.
void CursorSource::note_highest() {
  const Mark& mark = at_.round.mark;
  RowQuery query;
  query.order = RowQuery::Order::cursor;
  query.backwards = true;
  query.cursors = RowQuery::Cursors::proper;
  query.limit = 1;
  if (times()) query.cursor_to = reader_->cursor_text(mark.at);
  else if (!mark.top_cursor.empty()) query.cursor_to = mark.top_cursor;
  Batch batch(schema());
  const auto rows = reader_->select(query);
  while (rows->read(batch, 2, SIZE_MAX)) {
  }
  if (batch.changes.empty()) return;
  at_.high_cursor = rows->last_cursor();
  at_.high_key = key_of(*schema(), batch.changes.back());
}

/// Most transactions are short: waiting for those that were open at the mark spares a second read of the
/// whole table where their starts cannot be seen.
void CursorSource::wait_until_quiet(const Mark& mark) {
  if (mark.open.empty() || (times() && reader_->visibility() == Visibility::exact)) return;
  const auto deadline = clock_.monotonic() + kPatience;
  while (clock_.monotonic() < deadline && !planner_.is_quiet(mark, reader_->now(), reader_->open_now()))
    clock_.sleep(50ms, {});
}

void CursorSource::begin_round() {
  at_.round = planner_.begin(at_, reader_->mark());
  at_.stage = reader_->cursor_nullable() ? Stage::nulls : Stage::sweep;
  at_.after_cursor.clear();
  at_.after_key.reset();
  listing_begins_ = at_.round.settles;
  watch_from(at_.round.next_floor);
}

void CursorSource::watch_from(const Floor& floor) {
  // Without a floor everything will be read once more, but until then only what is recent is.
  const Floor& low = floor.time || floor.text ? floor : at_.recent;
  watched_arena_.clear();
  watched_cursor_.reset();
  if (low.time) watched_cursor_ = reader_->cursor_at(*low.time);
  else if (low.text) watched_cursor_ = reader_->cursor_value(*low.text, watched_arena_);
  watched_key_.clear();
  const auto& low_key = floor.key ? floor.key : at_.recent.key;
  if (low_key) watched_key_ = parse_key(*schema(), *low_key, watched_arena_);
}

Batch CursorSource::next(std::size_t max_rows, std::size_t max_bytes) {
  stop_scanning();
  Batch batch(schema());
  while (at_.stage != Stage::done && batch.changes.empty()) {
    batch.loading = at_.stage == Stage::load;
    const bool more = read_rows(stage_query(), batch, max_rows, max_bytes);
    for (Change& change : batch.changes) change.watched = is_watched(change);
    if (!batch.changes.empty()) note_progress(batch);
    if (std::exchange(listing_begins_, false)) batch.listing_begins = true;
    if (!more) end_stage();
  }
  batch.caught_up = at_.stage == Stage::done;
  batch.resume = at_.to_position();
  return batch;
}

RowQuery CursorSource::stage_query() const {
  RowQuery query;
  switch (at_.stage) {
    case Stage::load:
      query.order = RowQuery::Order::key;
      query.key_above = at_.after_key;
      break;
    case Stage::nulls:
      query.order = RowQuery::Order::key;
      query.cursors = RowQuery::Cursors::none;
      query.key_above = at_.after_key;
      if (!query.key_above && reader_->key_ascends()) query.key_above = at_.round.start.key;
      break;
    case Stage::sweep:
    case Stage::future: {
      const Floor& start = at_.round.start;
      query.order = RowQuery::Order::cursor;
      query.cursors = RowQuery::Cursors::proper;
      if (at_.after_key) query.above = {at_.after_cursor, *at_.after_key};
      if (at_.stage == Stage::future) {
        query.cursor_above = reader_->cursor_text(at_.round.mark.at);
        break;
      }
      // What lies above came after the mark, perhaps beside a lower number that is not committed yet: the next
      // round's.
      if (times()) query.cursor_to = reader_->cursor_text(at_.round.mark.at);
      else if (!at_.round.mark.top_cursor.empty()) query.cursor_to = at_.round.mark.top_cursor;
      if (at_.after_key) break;
      if (start.time) begin_sweep(*start.time, query);
      else if (start.text) query.cursor_from = start.text;
      break;
    }
    case Stage::done: break;
  }
  return query;
}

/// From the floor, but never above what lies just beyond the rows that were read last: writers may stamp by a clock
/// that is far behind, or by hand.
void CursorSource::begin_sweep(Time floor, RowQuery& query) const {
  const auto& high = at_.round.high_cursor;
  Arena arena;
  if (!high || compare(reader_->cursor_value(*high, arena), reader_->cursor_at(floor)) >= 0)
    query.cursor_from = reader_->cursor_text(floor);
  else if (at_.round.high_key) query.above = {*high, *at_.round.high_key};
  else query.cursor_above = high;
}

void CursorSource::note_progress(const Batch& batch) {
  const Change& last = batch.changes.back();
  at_.after_key = key_of(*schema(), last);
  at_.after_cursor = stream_->last_cursor();
  const Mark& mark = at_.round.mark;
  if (at_.stage == Stage::sweep && (times() || !mark.top_cursor.empty())) {
    at_.high_cursor = at_.after_cursor;
    at_.high_key = at_.after_key;
  }
  if (!mark.top_key || (at_.stage != Stage::load && at_.stage != Stage::nulls)) return;
  Arena arena;
  const std::vector<Value> top = parse_key(*schema(), *mark.top_key, arena);
  for (auto change = batch.changes.rbegin(); change != batch.changes.rend(); ++change) {
    if (!lacks_cursor(*change) || is_above(*schema(), *change, top)) continue;
    at_.high_null_key = key_of(*schema(), *change);
    return;
  }
}

bool CursorSource::lacks_cursor(const Change& change) const {
  const Value& cursor = change.row[cursor_index_];
  return cursor.is_null() || cursor.type() == Type::native;
}

bool CursorSource::is_watched(const Change& change) const {
  if (at_.stage == Stage::nulls || at_.stage == Stage::future) return true;
  if (lacks_cursor(change))
    return !reader_->key_ascends() || watched_key_.empty() || is_above(*schema(), change, watched_key_);
  return !watched_cursor_ || compare(change.row[cursor_index_], *watched_cursor_) >= 0;
}

void CursorSource::end_stage() {
  stop_reading();
  at_.after_cursor.clear();
  at_.after_key.reset();
  switch (at_.stage) {
    case Stage::load: inherited_ = false; return begin_round();
    case Stage::nulls: at_.stage = Stage::sweep; return;
    case Stage::sweep:
      at_.stage = Stage::future;
      if (times()) return;
      return end_round();
    case Stage::future: return end_round();
    case Stage::done: return;
  }
}

void CursorSource::end_round() {
  planner_.after_round(at_);
  at_.stage = Stage::done;
  if (std::exchange(inherited_, false)) begin_round();
}

Probe CursorSource::has_changes(const Position& position) {
  if (position.empty()) return {Changed::yes, position};
  stop_reading();
  const CursorPosition at = own_position(position);
  if (at.stage != Stage::done) return {Changed::yes, position};
  // With every start visible, nothing left open and the overlap behind us there is nothing to wait for: one
  // look-up will do.
  const bool may_be_due = reader_->visibility() != Visibility::exact || !at.marks.empty() || !at.closed;
  if (may_be_due && planner_.look_is_due(at, reader_->now(), reader_->open_now()))
    return {Changed::perhaps, position};
  const bool any = rows_above_high(at) || rows_without_cursor(at);
  return {any ? Changed::perhaps : Changed::no, position};
}

bool CursorSource::rows_above_high(const CursorPosition& position) {
  RowQuery query;
  query.cursors = RowQuery::Cursors::proper;
  if (position.high_cursor && position.high_key) query.above = {*position.high_cursor, *position.high_key};
  else query.cursor_above = position.high_cursor;
  return reader_->exists(query);
}

bool CursorSource::rows_without_cursor(const CursorPosition& position) {
  if (!reader_->cursor_nullable()) return false;
  RowQuery query;
  query.cursors = RowQuery::Cursors::none;
  if (reader_->key_ascends()) query.key_above = position.high_null_key;
  if (query.key_above) query.order = RowQuery::Order::key;
  return reader_->exists(query);
}

std::string CursorSource::method() {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(overlap_).count();
  std::string words = fmt::format("rows are read by {}", spec_.cursor);
  switch (reader_->visibility()) {
    case Visibility::exact:
      return words + "; every open transaction is visible, so late commits are found however late they are";
    case Visibility::horizon:
      return words + fmt::format(
                         "; open transactions are waited for, and rows stamped up to {} s before their "
                         "transaction's first write are found",
                         seconds);
    case Visibility::none:
      return words +
             fmt::format(
                 "; open transactions cannot be seen: one that commits more than {} s after it stamped "
                 "its rows is missed",
                 seconds);
  }
  return words;
}

}  // namespace syncflow::sql
