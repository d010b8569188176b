#pragma once

#include <optional>
#include <string>

#include "sql/cursor_position.h"
#include "sql/rounds.h"
#include "sql/table_source.h"

namespace syncflow::sql {

/// Strategy `cursor`: a first load in key order, then rounds by the last-modified field.
///
/// How a round begins is decided by RoundPlanner; this class walks its stages.
class CursorSource : public TableSource {
 public:
  CursorSource(const SourceSpec& spec, std::unique_ptr<TableReader> reader, Clock& clock);

  void open(const Position& position) override;
  Batch next(std::size_t max_rows, std::size_t max_bytes) override;
  Probe has_changes(const Position& position) override;
  std::string method() override;

 private:
  /// Throws Error(position_lost) unless it is one of this table, cursor field and key.
  CursorPosition own_position(const Position& position);
  void check_null_cursors();
  void begin_load();
  void note_highest();
  void begin_sweep(Time floor, RowQuery& query) const;
  void wait_until_quiet(const Mark& mark);
  void begin_round();
  void end_stage();
  void end_round();
  void watch_from(const Floor& floor);

  RowQuery stage_query() const;
  void note_progress(const Batch& batch);
  bool is_watched(const Change& change) const;
  bool lacks_cursor(const Change& change) const;

  bool rows_above_high(const CursorPosition& position);
  bool rows_without_cursor(const CursorPosition& position);
  bool times() const { return reader_->cursor_kind() == CursorKind::time; }

  Duration overlap_;
  RoundPlanner planner_;
  std::size_t cursor_index_;
  CursorPosition at_;
  bool listing_begins_ = false;
  /// The round was begun by an earlier read, so its end is not this read's end: a fresh one follows.
  bool inherited_ = false;
  /// Rows at or above these may be handed out again. Empty: every row.
  std::optional<Value> watched_cursor_;
  std::vector<Value> watched_key_;
  Arena watched_arena_;
};

}  // namespace syncflow::sql
