#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/position.h"
#include "sql/table_reader.h"

namespace syncflow::sql {

/// From where rows may still appear that an earlier snapshot hid. Empty parts: from the very beginning.
struct Floor {
  std::optional<Time> time;         ///< of cursors that are times
  std::optional<std::string> text;  ///< of cursors that ascend: the exact text
  std::optional<Key> key;           ///< of rows without a cursor value, where the key ascends
  bool operator==(const Floor&) const = default;
};

/// What one read goes through, in this order.
enum class Stage {
  load,    ///< every row, by key; only once
  nulls,   ///< rows whose cursor is null
  sweep,   ///< by (cursor, key), from the round's start to the time of its mark
  future,  ///< rows stamped later than that: they do not move the high position
  done,
};

/// One read of everything up to a mark. Kept in the position so that a restart goes on inside of it.
struct Round {
  Mark mark;
  Floor start;
  Floor next_floor;
  std::vector<Mark> next_marks;
  /// It reads from the floor itself, so what it does not meet again will not come again either.
  bool settles = false;
  /// It began a whole overlap after the last one, and the high position stood here then: when it still does
  /// at the end, nothing can come below it any more.
  bool waited = false;
  std::optional<std::string> high_cursor;
  std::optional<Key> high_key;
};

/// The position of strategy `cursor` on a table of a database.
struct CursorPosition {
  std::string identity;  ///< TableReader::identity
  std::string cursor;
  std::vector<std::string> key;

  Stage stage = Stage::load;
  Round round;
  /// The last row handed out in this stage: its cursor's exact text (sweep, future) and key.
  std::string after_cursor;
  std::optional<Key> after_key;

  /// Between rounds: rows from `floor` on may be new once the marks have gone quiet; until then rows from
  /// `recent` on are read.
  Floor floor;
  Floor recent;
  std::vector<Mark> marks;  ///< oldest first: transactions were open that may not all have ended
  Time looked_at;           ///< when the last round began that read all of the overlap
  bool closed = false;      ///< no row can come below the high position but by a marked transaction

  /// The highest row seen that was not above its round's mark. Without a key: everything up to this text.
  std::optional<std::string> high_cursor;
  std::optional<Key> high_key;
  std::optional<Key> high_null_key;  ///< of rows without a cursor value, where the key ascends

  Position to_position() const;
  /// Throws Error(position_lost) when it is not one of strategy cursor.
  static CursorPosition from(const Position& position);
};

}  // namespace syncflow::sql
