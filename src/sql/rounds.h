#pragma once

#include <set>
#include <string>
#include <vector>

#include "sql/cursor_position.h"
#include "sql/table_reader.h"

namespace syncflow::sql {

/// Decides from where each read must begin so that no late commit is lost (DESIGN 5). Pure: no I/O.
///
/// The argument, in short. A round reads in snapshots taken after its mark. A row that those snapshots hid
/// was written by a transaction that was open at the mark, or began after it. Once every transaction of
/// the mark has ended, a read from the floor before it finds the rows of the former; rows of the latter are
/// stamped at or above the mark's own floor. So the floor may move up to a mark's, by a round that began
/// when the mark was quiet already and that read from the floor before.
class RoundPlanner {
 public:
  RoundPlanner(CursorKind kind, Visibility visibility, Duration overlap)
      : kind_(kind), visibility_(visibility), overlap_(overlap) {}

  /// The lowest stamp that rows hidden at `mark` can bear, given that its transactions have ended or
  /// their starts are known.
  Floor floor_of(const Mark& mark) const;

  /// Whether nothing that was open at the mark can still commit. `now`: the source's clock; `open`: now.
  bool is_quiet(const Mark& mark, Time now, const std::set<std::string>& open) const;

  /// The round that a fresh mark begins. `position` stands between rounds.
  Round begin(const CursorPosition& position, const Mark& mark) const;

  /// What stands after the first load that began at `mark`. `quiet`: its transactions had ended before the
  /// load's first snapshot.
  void after_load(CursorPosition& position, const Mark& mark, bool quiet) const;

  /// What stands after the round of `position` was read to its end.
  void after_round(CursorPosition& position) const;

  /// Whether a look must read the overlap again though nothing lies above the high position.
  bool look_is_due(const CursorPosition& position, Time now, const std::set<std::string>& open) const;

 private:
  /// From where a round must read that cannot settle, since a marked transaction is still open.
  Floor unsettled_start(const CursorPosition& position, const std::set<std::string>& open) const;
  /// The floor of times is known at once: starts are visible, or there is only the clock to go by.
  bool times_settle_at_once() const {
    return kind_ == CursorKind::time && visibility_ != Visibility::horizon;
  }

  CursorKind kind_;
  Visibility visibility_;
  Duration overlap_;
};

}  // namespace syncflow::sql
