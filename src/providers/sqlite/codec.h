#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/arena.h"
#include "core/value.h"
#include "drivers/sqlite/database.h"
#include "providers/sqlite/types.h"

namespace syncflow::sqlite {

/// One value as SQLite keeps it. Bytes point into an arena or a statement's row.
struct Stored {
  enum class Class : std::uint8_t { null, integer, real, text, blob };
  Class storage = Class::null;
  std::int64_t integer = 0;
  double real = 0;
  std::string_view bytes;

  static Stored of(std::int64_t value) { return {Class::integer, value, 0, {}}; }
  static Stored of(double value) { return {Class::real, 0, value, {}}; }
  static Stored text(std::string_view utf8) { return {Class::text, 0, 0, utf8}; }
  static Stored blob(std::string_view bytes) { return {Class::blob, 0, 0, bytes}; }
  bool operator==(const Stored&) const = default;
};

/// The cell of the row that `statement` stands on; valid until its next step or reset.
Stored stored_at(const Statement& statement, int column);
void bind(Statement& statement, int index, const Stored& value);

/// How naive times relate to UTC, and how values are spelled that can be in more than one way.
///
/// What we write is spelled one way. A key must be found again by what was read, so the values of a key
/// that somebody else wrote are taken to be spelled like the first of them.
struct Spelling {
  std::chrono::minutes offset{0};  ///< of naive times: +02:00 is 120 minutes
  char separator = 'T';            ///< between date and time of day
  /// Digits after a timestamp's second, more where the value has more; -1: no seconds. A fixed number, so that
  /// texts with a zone after them sort as the times do.
  int fraction_digits = 6;
  std::string zone = "Z";          ///< after timestamps with a zone; "": none
  bool zone_on_naive = false;      ///< `zone` also stands in a field that is declared without one
  std::optional<int> time_digits;  ///< as fraction_digits, of times of day; empty: as many as it takes
  enum class Uuid { lower, upper, blob } uuid = Uuid::lower;
};

/// The spelling of one value of a column: what others of the column are taken to be spelled like.
Spelling spelling_of(const Stored& sample, const ColumnType& type, const Spelling& otherwise);

/// Reads a stored value as what its column means. Bytes go into `arena`.
/// Empty: done. Else why the value cannot be carried.
std::optional<std::string> decode(const Stored& stored, const ColumnType& type, const Spelling& spelling,
                                  Arena& arena, Value& out);

/// Turns a value into what the column would keep. Bytes point into `value` or `arena`.
/// Empty: done. Else why the column cannot hold it.
std::optional<std::string> encode(const Value& value, const ColumnType& type, const Spelling& spelling,
                                  Arena& arena, Stored& out);

/// "TEXT '2024-01-01 …'": for messages.
std::string show(const Stored& stored);

}  // namespace syncflow::sqlite
