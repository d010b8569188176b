#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/arena.h"
#include "core/schema.h"
#include "core/value.h"
#include "drivers/libmariadb/statement.h"
#include "providers/mysql/catalog.h"
#include "providers/mysql/zone.h"

namespace syncflow::mysql {

/// A value as it is bound to a statement. Texts point into the batch or an arena.
struct Encoded {
  enum class Form : std::uint8_t { null, integer, natural, real, text, bytes };
  Form form = Form::null;
  std::int64_t number = 0;  ///< of integer, and the bits of natural
  double real = 0;
  std::string_view text;

  static Encoded of(std::int64_t value) { return {Form::integer, value, 0, {}}; }
  static Encoded of(std::uint64_t value) { return {Form::natural, static_cast<std::int64_t>(value), 0, {}}; }
  static Encoded of(double value) { return {Form::real, 0, value, {}}; }
  static Encoded of_text(std::string_view text) { return {Form::text, 0, 0, text}; }
  static Encoded of_bytes(std::string_view bytes) { return {Form::bytes, 0, 0, bytes}; }
  std::size_t size_bytes() const { return 9 + text.size(); }
};
void bind_encoded(Statement& statement, std::size_t index, const Encoded& value);

/// Why a value does not fit its column: the row is a rejection.
struct Misfit {
  std::string reason;
};

/// Turns canonical values into what one column holds exactly, or refuses them: nothing is cut, rounded or folded.
class Encoder {
 public:
  Encoder(ColumnInfo column, Zone zone, bool mariadb)
      : column_(std::move(column)), zone_(std::move(zone)), mariadb_(mariadb) {}

  /// Throws Misfit. Texts that are made on the way lie in `arena`.
  Encoded encode(const Value& value, Arena& arena) const;

  /// Whether values of that type ever fit; a mapping whose types never do is refused at set-up.
  bool takes(Type type) const;

  const ColumnInfo& column() const { return column_; }

 private:
  Encoded integer(const Value& value) const;
  Encoded decimal(const Value& value, Arena& arena) const;
  Encoded real(const Value& value) const;
  Encoded bit(const Value& value) const;
  Encoded moment(const Value& value, Arena& arena) const;
  Encoded time(const Value& value, Arena& arena) const;
  Encoded text(const Value& value, Arena& arena) const;
  Encoded label(const Value& value) const;
  Encoded labels(const Value& value, Arena& arena) const;
  Encoded bytes(const Value& value) const;
  Encoded json(const Value& value, Arena& arena) const;
  Encoded vector(const Value& value, Arena& arena) const;
  Encoded uuid(const Value& value, Arena& arena) const;

  std::int64_t local_microseconds(const Value& value) const;
  void check_fraction(std::int64_t microseconds, unsigned nanoseconds) const;
  void check_text_size(std::string_view text) const;
  void check_characters(std::string_view text) const;
  [[noreturn]] void refuse(const std::string& why) const;
  [[noreturn]] void refuse_type(Type type) const;

  ColumnInfo column_;
  Zone zone_;
  bool mariadb_;
};

}  // namespace syncflow::mysql
