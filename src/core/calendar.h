#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace syncflow {

/// A day of the proleptic Gregorian calendar; year 0 is 1 BC.
struct CivilDay {
  std::int64_t year = 1970;
  unsigned month = 1;  ///< 1 to 12
  unsigned day = 1;    ///< 1 to 31
  bool operator==(const CivilDay&) const = default;
};

/// Days since 1970-01-01. The day must be one.
std::int64_t days_from_civil(const CivilDay& day);
CivilDay civil_from_days(std::int64_t days);
/// Whether month and day exist in that year.
bool is_civil_day(std::int64_t year, unsigned month, unsigned day);

/// A date, or a date and time of day, as text is read into it.
struct ParsedTime {
  std::int64_t days = 0;              ///< since 1970-01-01
  std::int64_t microseconds = 0;      ///< of the day
  unsigned nanoseconds = 0;           ///< beyond the microseconds, 0 to 999
  std::optional<int> offset_minutes;  ///< `Z` is 0; empty: no zone was given
  bool has_time = false;
};

/// Reads `2024-02-29`, `2024-02-29T12:30:00.5Z`, `2024-02-29 12:30:00+02:00`, `+12345-01-01`, `-0043-03-15`.
/// Seconds without a fraction may be left out; 24:00:00 and fractions beyond nanoseconds are not times here. Empty: not one.
std::optional<ParsedTime> parse_iso(std::string_view text);
/// `12:30`, `12:30:00.5`, `24:00:00`. Empty: not one. Microseconds of the day and nanoseconds beyond.
std::optional<ParsedTime> parse_time_of_day(std::string_view text);

/// The instant as microseconds since 1970 in UTC (or in its own zone where none was given). Empty: more than 64
/// bits hold, which is before -290308-12-21 or after +294247-01-10.
std::optional<std::int64_t> microseconds_since_1970(const ParsedTime& time);

void append_date(std::int64_t days, std::string& out);
/// `12:30:00.000001`; no fraction when there is none.
void append_time_of_day(std::int64_t microseconds, unsigned nanoseconds, std::string& out);
/// `2024-02-29T12:30:00.5`, without a zone.
void append_timestamp(std::int64_t microseconds_since_1970, unsigned nanoseconds, std::string& out,
                      char separator = 'T');

inline constexpr std::int64_t kMicrosecondsPerDay = 86'400'000'000;

/// Rounds down, also below 1970.
constexpr std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

}  // namespace syncflow
