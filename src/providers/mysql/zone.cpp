#include "providers/mysql/zone.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "core/calendar.h"
#include "core/error.h"
#include "core/text.h"

namespace syncflow::mysql {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDay = 86'400;

/// Big-endian numbers of a time zone file (RFC 8536).
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  std::int64_t number(std::size_t size) {
    if (bytes_.size() < size) throw Error(ErrorKind::bad_config, "the time zone's file is cut short");
    std::int64_t value = static_cast<signed char>(bytes_[0]);
    for (std::size_t i = 1; i < size; ++i) value = value * 256 + static_cast<unsigned char>(bytes_[i]);
    bytes_.remove_prefix(size);
    return value;
  }
  void skip(std::size_t size) { bytes_.remove_prefix(std::min(size, bytes_.size())); }
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

struct Counts {
  std::size_t utc = 0, standard = 0, leaps = 0, times = 0, types = 0, letters = 0;
};

Counts read_header(Bytes& in) {
  if (in.rest().substr(0, 4) != "TZif") throw Error(ErrorKind::bad_config, "it is no time zone file");
  in.skip(20);
  Counts counts;
  for (std::size_t* count :
       {&counts.utc, &counts.standard, &counts.leaps, &counts.times, &counts.types, &counts.letters})
    *count = static_cast<std::size_t>(in.number(4));
  return counts;
}

/// One of the two days a year when clocks are put forward or back, as POSIX writes it: `M3.5.0/2`.
struct ChangeDay {
  int month = 0, week = 0, weekday = 0;
  std::int64_t seconds = 7200;  ///< of the day, local

  /// Local seconds since 1970 of that moment in `year`.
  std::int64_t in(std::int64_t year) const {
    const std::int64_t first = days_from_civil({year, static_cast<unsigned>(month), 1});
    const std::int64_t first_weekday = ((first + 4) % 7 + 7) % 7;
    std::int64_t day = first + (weekday - first_weekday + 7) % 7 + (week - 1) * 7;
    while (civil_from_days(day).month != static_cast<unsigned>(month)) day -= 7;
    return day * kDay + seconds;
  }
};

/// What holds after the last change that the file lists: `CET-1CEST,M3.5.0,M10.5.0/3`.
struct Tail {
  std::int64_t standard = 0;  ///< seconds ahead of UTC
  std::int64_t summer = 0;
  std::optional<ChangeDay> to_summer, to_standard;
};

class TailReader {
 public:
  explicit TailReader(std::string_view text) : text_(text) {}

  Tail read() {
    Tail tail;
    name();
    tail.standard = -clock();
    if (text_.empty()) return tail;
    name();
    tail.summer = text_.empty() || text_.front() == ',' ? tail.standard + 3600 : -clock();
    tail.to_summer = change_day();
    tail.to_standard = change_day();
    return tail;
  }

 private:
  void name() {
    const bool bracketed = !text_.empty() && text_.front() == '<';
    const auto end = bracketed ? text_.find('>') + 1 : text_.find_first_of("+-0123456789,");
    text_.remove_prefix(std::min(end, text_.size()));
  }
  int number() {
    int value = 0;
    const auto [end, problem] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (problem != std::errc())
      throw Error(ErrorKind::bad_config, "the time zone's file has a rule that cannot be read");
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    return value;
  }
  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  /// `-1`, `+5:30`, `3`
  std::int64_t clock() {
    const bool negative = take('-');
    if (!negative) take('+');
    std::int64_t seconds = number() * 3600;
    if (take(':')) seconds += number() * 60;
    if (take(':')) seconds += number();
    return negative ? -seconds : seconds;
  }
  ChangeDay change_day() {
    ChangeDay day;
    take(',');
    if (!take('M')) throw Error(ErrorKind::bad_config, "the time zone's file has a rule that cannot be read");
    day.month = number();
    take('.');
    day.week = number();
    take('.');
    day.weekday = number();
    if (take('/')) day.seconds = clock();
    return day;
  }

  std::string_view text_;
};

std::string read_file(const std::string& name) {
  const char* folder = std::getenv("TZDIR");
  const auto path = std::filesystem::path(folder ? folder : "/usr/share/zoneinfo") / name;
  std::error_code ignored;
  if (name.find("..") != std::string::npos || !std::filesystem::is_regular_file(path, ignored))
    throw Error(ErrorKind::bad_config,
                "this machine knows no zone of that name: write UTC, an offset such as +02:00, or a name "
                "such as Europe/Berlin "
                "(which takes the package tzdata)");
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::optional<std::int64_t> parse_offset(const std::string& text) {
  if (text == "UTC" || text == "Z") return 0;
  if (text.size() != 6) return std::nullopt;
  const auto parsed = parse_iso("2000-01-01T00:00:00" + text);
  if (!parsed || !parsed->offset_minutes) return std::nullopt;
  return *parsed->offset_minutes * 60;
}

}  // namespace

struct Zone::Rules {
  std::vector<std::int64_t> times;    ///< instants of changes, ascending
  std::vector<std::int64_t> offsets;  ///< offsets[i] holds before times[i]; one more than times
  Tail tail;

  std::int64_t offset(std::int64_t instant) const {
    if (times.empty() || instant >= times.back()) return by_tail(instant);
    const auto next = std::upper_bound(times.begin(), times.end(), instant);
    return offsets[static_cast<std::size_t>(next - times.begin())];
  }

  std::int64_t by_tail(std::int64_t instant) const {
    if (!tail.to_summer) return tail.standard;
    const std::int64_t year = civil_from_days(floor_divide(instant + tail.standard, kDay)).year;
    const std::int64_t summer_begins = tail.to_summer->in(year)-tail.standard;
    const std::int64_t summer_ends = tail.to_standard->in(year)-tail.summer;
    const bool north = summer_begins < summer_ends;
    const bool summer = north ? instant >= summer_begins && instant < summer_ends
                              : instant >= summer_begins || instant < summer_ends;
    return summer ? tail.summer : tail.standard;
  }

  static Rules parse(const std::string& file) {
    Bytes in(file);
    const Counts narrow = read_header(in);
    // The first block has 32-bit times; what is wanted follows it.
    in.skip(narrow.times * 5 + narrow.types * 6 + narrow.letters + narrow.leaps * 8 + narrow.standard +
            narrow.utc);
    const Counts counts = read_header(in);
    Rules rules;
    for (std::size_t i = 0; i < counts.times; ++i) rules.times.push_back(in.number(8));
    std::vector<std::size_t> kinds{0};
    for (std::size_t i = 0; i < counts.times; ++i) kinds.push_back(static_cast<std::size_t>(in.number(1)));
    std::vector<std::int64_t> seconds;
    for (std::size_t i = 0; i < counts.types; ++i) {
      seconds.push_back(in.number(4));
      in.skip(2);
    }
    for (const std::size_t kind : kinds) rules.offsets.push_back(seconds.at(kind));
    in.skip(counts.letters + counts.leaps * 12 + counts.standard + counts.utc);
    std::string_view tail = in.rest();
    while (!tail.empty() && tail.front() == '\n') tail.remove_prefix(1);
    tail = tail.substr(0, tail.find('\n'));
    if (tail.empty()) rules.tail.standard = rules.offsets.back();
    else rules.tail = TailReader(tail).read();
    return rules;
  }
};

Zone Zone::parse(const std::string& text) {
  Zone zone;
  zone.name_ = text;
  if (const auto offset = parse_offset(text)) {
    zone.fixed_seconds_ = *offset;
    return zone;
  }
  try {
    zone.rules_ = std::make_shared<const Rules>(Rules::parse(read_file(text)));
  } catch (const Error& error) {
    throw error.while_doing(fmt::format("timezone \"{}\"", shortened(text)));
  } catch (const std::out_of_range&) {
    throw Error(ErrorKind::bad_config,
                fmt::format("timezone \"{}\": the time zone's file is damaged", shortened(text)));
  }
  return zone;
}

std::int64_t Zone::offset_seconds(std::int64_t instant_seconds) const {
  return rules_ ? rules_->offset(instant_seconds) : fixed_seconds_;
}

std::int64_t Zone::to_local(std::int64_t instant) const {
  return instant + offset_seconds(floor_divide(instant, kSecond)) * kSecond;
}

std::optional<std::int64_t> Zone::to_instant(std::int64_t local) const {
  if (is_fixed()) return local - fixed_seconds_ * kSecond;
  // Offsets change by hours and lie within a day of UTC, so one of those of the days around is the right one.
  std::optional<std::int64_t> found;
  for (const std::int64_t aside : {-kDay, kDay}) {
    const std::int64_t candidate = local - offset_seconds(floor_divide(local, kSecond) + aside) * kSecond;
    if (to_local(candidate) != local || candidate == found) continue;
    if (found) return std::nullopt;
    found = candidate;
  }
  return found;
}

std::int64_t Zone::lowest_local_from(std::int64_t instant) const {
  // Clocks are put back by a day at most, so what lies further ahead is not lower.
  std::int64_t lowest = to_local(instant);
  if (is_fixed()) return lowest;
  constexpr std::int64_t kStep = 900 * kSecond;
  const std::int64_t first = floor_divide(instant, kStep) * kStep;
  for (std::int64_t at = first + kStep; at <= instant + kDay * kSecond; at += kStep)
    lowest = std::min(lowest, to_local(at));
  return lowest;
}

}  // namespace syncflow::mysql
