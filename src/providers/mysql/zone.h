#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace syncflow::mysql {

/// The time zone that DATETIMEs, which have none, are meant in. A plain value; thread-safe.
///
/// All times are microseconds since 1970-01-01, of an instant in UTC or of what local clocks show.
class Zone {
 public:
  /// UTC.
  Zone() = default;
  /// "UTC", "+02:00", or a name that this machine's time zone files know ("Europe/Berlin").
  /// Throws Error(bad_config).
  static Zone parse(const std::string& text);

  const std::string& name() const { return name_; }
  bool is_fixed() const { return !rules_; }

  std::int64_t to_local(std::int64_t instant) const;
  /// Empty when no clock ever showed it (the hour that is left out in spring), or when two instants did.
  std::optional<std::int64_t> to_instant(std::int64_t local) const;
  /// The lowest time that clocks show at that instant or later. Lower than `to_local` when they are about to be put back.
  std::int64_t lowest_local_from(std::int64_t instant) const;

 private:
  struct Rules;
  std::int64_t offset_seconds(std::int64_t instant_seconds) const;

  std::string name_ = "UTC";
  std::int64_t fixed_seconds_ = 0;
  std::shared_ptr<const Rules> rules_;
};

}  // namespace syncflow::mysql
