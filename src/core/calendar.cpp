#include "core/calendar.h"

#include <charconv>

namespace syncflow {
namespace {

// Howard Hinnant's era arithmetic: 400 years repeat, and years that begin in March put the leap day last.
constexpr std::int64_t kDaysPerEra = 146'097;
constexpr std::int64_t kDaysTo1970 = 719'468;

bool is_leap(std::int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

unsigned days_in_month(std::int64_t year, unsigned month) {
  constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[month - 1];
}

void append_padded(std::int64_t number, int width, std::string& out) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  for (auto length = end - digits; length < width; ++length) out += '0';
  out.append(digits, end);
}

/// Reads from the front of a text, giving up at the first thing that does not fit.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool take(char wanted) {
    if (peek() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::optional<std::int64_t> digits(std::size_t least, std::size_t most) {
    std::size_t count = 0;
    std::int64_t number = 0;
    while (count < rest_.size() && count < most && rest_[count] >= '0' && rest_[count] <= '9')
      number = number * 10 + (rest_[count++] - '0');
    if (count < least) return std::nullopt;
    rest_.remove_prefix(count);
    return number;
  }

 private:
  std::string_view rest_;
};

bool read_date(Reader& in, ParsedTime& out) {
  const bool negative = in.peek() == '-';
  const bool is_signed = negative || in.peek() == '+';
  if (is_signed) in.take(in.peek());
  const auto year = in.digits(4, is_signed ? 9 : 4);
  if (!year || !in.take('-')) return false;
  const auto month = in.digits(2, 2);
  if (!month || !in.take('-')) return false;
  const auto day = in.digits(2, 2);
  if (!day) return false;
  const CivilDay civil{negative ? -*year : *year, static_cast<unsigned>(*month), static_cast<unsigned>(*day)};
  if (!is_civil_day(civil.year, civil.month, civil.day)) return false;
  out.days = days_from_civil(civil);
  return true;
}

bool read_fraction(Reader& in, ParsedTime& out) {
  std::int64_t nanoseconds = 0;
  int count = 0;
  while (in.peek() >= '0' && in.peek() <= '9') {
    const char digit = in.peek();
    in.take(digit);
    if (++count <= 9) nanoseconds = nanoseconds * 10 + (digit - '0');
    else if (digit != '0') return false;
  }
  if (count == 0) return false;
  for (int digit = count; digit < 9; ++digit) nanoseconds *= 10;
  out.microseconds += nanoseconds / 1000;
  out.nanoseconds = static_cast<unsigned>(nanoseconds % 1000);
  return true;
}

bool read_time(Reader& in, ParsedTime& out) {
  const auto hour = in.digits(2, 2);
  if (!hour || !in.take(':')) return false;
  const auto minute = in.digits(2, 2);
  if (!minute || *minute > 59) return false;
  out.microseconds = (*hour * 60 + *minute) * 60'000'000;
  out.has_time = true;
  if (in.take(':')) {
    const auto second = in.digits(2, 2);
    if (!second || *second > 59) return false;
    out.microseconds += *second * 1'000'000;
    if (in.take('.') && !read_fraction(in, out)) return false;
  }
  return *hour < 24 || (out.microseconds == kMicrosecondsPerDay && out.nanoseconds == 0);
}

bool read_offset(Reader& in, ParsedTime& out) {
  if (in.take('Z') || in.take('z')) {
    out.offset_minutes = 0;
    return true;
  }
  const bool negative = in.take('-');
  if (!negative && !in.take('+')) return false;
  const auto hours = in.digits(2, 2);
  if (!hours || *hours > 23) return false;
  const bool has_minutes = in.take(':') || !in.at_end();
  const auto minutes = has_minutes ? in.digits(2, 2) : std::optional<std::int64_t>(0);
  if (!minutes || *minutes > 59) return false;
  const auto total = static_cast<int>(*hours * 60 + *minutes);
  out.offset_minutes = negative ? -total : total;
  return true;
}

}  // namespace

std::int64_t days_from_civil(const CivilDay& day) {
  const std::int64_t year = day.year - (day.month <= 2 ? 1 : 0);
  const std::int64_t era = floor_divide(year, 400);
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t month_from_march = (day.month + 9) % 12;
  const std::int64_t day_of_year = (153 * month_from_march + 2) / 5 + day.day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * kDaysPerEra + day_of_era - kDaysTo1970;
}

CivilDay civil_from_days(std::int64_t days) {
  days += kDaysTo1970;
  const std::int64_t era = floor_divide(days, kDaysPerEra);
  const std::int64_t day_of_era = days - era * kDaysPerEra;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
  CivilDay civil;
  civil.day = static_cast<unsigned>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  civil.month = static_cast<unsigned>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  civil.year = year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0);
  return civil;
}

bool is_civil_day(std::int64_t year, unsigned month, unsigned day) {
  return month >= 1 && month <= 12 && day >= 1 && day <= days_in_month(year, month);
}

std::optional<ParsedTime> parse_iso(std::string_view text) {
  Reader in(text);
  ParsedTime out;
  if (!read_date(in, out)) return std::nullopt;
  if (in.at_end()) return out;
  if (!in.take('T') && !in.take(' ') && !in.take('t')) return std::nullopt;
  if (!read_time(in, out) || out.microseconds == kMicrosecondsPerDay) return std::nullopt;
  if (!in.at_end() && !read_offset(in, out)) return std::nullopt;
  if (!in.at_end()) return std::nullopt;
  return out;
}

std::optional<ParsedTime> parse_time_of_day(std::string_view text) {
  Reader in(text);
  ParsedTime out;
  if (!read_time(in, out) || !in.at_end()) return std::nullopt;
  return out;
}

std::optional<std::int64_t> microseconds_since_1970(const ParsedTime& time) {
  std::int64_t days = 0;
  std::int64_t local = 0;
  std::int64_t instant = 0;
  // A day back and a time of day on top: the earliest instants need both.
  const bool before = time.days < 0;
  if (__builtin_mul_overflow(time.days + (before ? 1 : 0), kMicrosecondsPerDay, &days)) return std::nullopt;
  if (__builtin_add_overflow(days, time.microseconds - (before ? kMicrosecondsPerDay : 0), &local))
    return std::nullopt;
  if (__builtin_sub_overflow(local, time.offset_minutes.value_or(0) * std::int64_t{60'000'000}, &instant))
    return std::nullopt;
  return instant;
}

void append_date(std::int64_t days, std::string& out) {
  const CivilDay civil = civil_from_days(days);
  if (civil.year < 0 || civil.year > 9999) {
    out += civil.year < 0 ? '-' : '+';
    append_padded(civil.year < 0 ? -civil.year : civil.year, 5, out);
  } else {
    append_padded(civil.year, 4, out);
  }
  out += '-';
  append_padded(civil.month, 2, out);
  out += '-';
  append_padded(civil.day, 2, out);
}

void append_time_of_day(std::int64_t microseconds, unsigned nanoseconds, std::string& out) {
  const std::int64_t seconds = microseconds / 1'000'000;
  append_padded(seconds / 3600, 2, out);
  out += ':';
  append_padded(seconds / 60 % 60, 2, out);
  out += ':';
  append_padded(seconds % 60, 2, out);
  const std::int64_t fraction = microseconds % 1'000'000 * 1000 + nanoseconds;
  if (fraction == 0) return;
  out += '.';
  append_padded(fraction, 9, out);
  while (out.back() == '0') out.pop_back();
}

void append_timestamp(std::int64_t microseconds_since_1970, unsigned nanoseconds, std::string& out,
                      char separator) {
  const std::int64_t days = floor_divide(microseconds_since_1970, kMicrosecondsPerDay);
  // Not `microseconds - days * kMicrosecondsPerDay`: the first day that 64 bits hold begins before what they hold.
  const std::int64_t rest = microseconds_since_1970 % kMicrosecondsPerDay;
  append_date(days, out);
  out += separator;
  append_time_of_day(rest < 0 ? rest + kMicrosecondsPerDay : rest, nanoseconds, out);
}

}  // namespace syncflow
