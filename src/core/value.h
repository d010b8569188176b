#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/arena.h"

namespace syncflow {

/// The canonical types: what every provider reads into and writes from.
enum class Type : std::uint8_t {
  absent,        ///< a cell of an upsert that keeps what the destination has; not null
  null,          ///<
  boolean,       ///<
  int64,         ///<
  uint64,        ///<
  float64,       ///< IEEE double, NaN and infinities included
  decimal,       ///< exact: optional '-', digits, optional '.' and digits; the scale is kept
  text,          ///< UTF-8, may hold NUL
  bytes,         ///<
  date,          ///< days since 1970-01-01, proleptic Gregorian, no zone
  time,          ///< of day, 00:00:00 to 24:00:00, no zone, to the nanosecond
  timestamp,     ///< date and time of day without a zone
  timestamp_tz,  ///< an instant
  uuid,          ///<
  json,          ///< the source's text of one JSON document
  array,         ///< a JSON array of the elements' canonical texts (numbers and booleans bare, null as null)
  native,        ///< exact text in the source's own notation of a value that has no canonical form
                 ///< ('infinity', an interval, a zero date); the field's `native` names its type
};

/// "int64", "timestamp with zone": for people.
std::string_view name_of(Type type);
/// Counts or measures: int64, uint64, decimal and float64.
bool is_number(Type type);

/// One cell. Sixteen bytes; text-like values point into the arena of their batch.
///
/// A plain value: copying copies the view, not the bytes. Default: null.
class Value {
 public:
  constexpr Value() = default;

  static constexpr Value absent() { return Value(Type::absent); }
  static constexpr Value null() { return Value(Type::null); }
  static Value of(bool value);
  static Value of(std::int64_t value);
  static Value of(std::uint64_t value);
  static Value of(double value);
  static Value decimal(std::string_view text) { return pointing(Type::decimal, text); }
  static Value text(std::string_view utf8) { return pointing(Type::text, utf8); }
  static Value bytes(std::string_view bytes) { return pointing(Type::bytes, bytes); }
  static Value json(std::string_view text) { return pointing(Type::json, text); }
  static Value array(std::string_view json) { return pointing(Type::array, json); }
  static Value native(std::string_view text) { return pointing(Type::native, text); }
  /// Sixteen bytes in network order.
  static Value uuid(std::string_view sixteen_bytes) { return pointing(Type::uuid, sixteen_bytes); }
  static Value date(std::int64_t days);
  /// `nanoseconds` (0 to 999) come on top of the microseconds.
  static Value time(std::int64_t microseconds, unsigned nanoseconds = 0);
  static Value timestamp(std::int64_t microseconds_since_1970, unsigned nanoseconds = 0);
  static Value timestamp_tz(std::int64_t microseconds_since_1970, unsigned nanoseconds = 0);

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::null; }
  bool is_absent() const { return type_ == Type::absent; }
  bool is_textual() const;

  bool as_bool() const { return integer_ != 0; }
  /// Of int64, date (days), time and timestamps (microseconds).
  std::int64_t as_int64() const { return integer_; }
  std::uint64_t as_uint64() const { return static_cast<std::uint64_t>(integer_); }
  double as_double() const { return number_; }
  /// The bytes of decimal, text, bytes, uuid, json, array and native.
  std::string_view view() const { return {pointer_, size_}; }
  /// What a time or timestamp has beyond its microseconds, 0 to 999.
  unsigned nanoseconds() const { return nanoseconds_; }

  /// Bytes that this value keeps in an arena.
  std::size_t size_bytes() const { return is_textual() ? size_ : 0; }

  /// The same value with its bytes in `arena`.
  Value copied_to(Arena& arena) const;

 private:
  constexpr explicit Value(Type type) : type_(type) {}
  static Value pointing(Type type, std::string_view bytes);
  static Value counting(Type type, std::int64_t count, unsigned nanoseconds = 0);

  Type type_ = Type::null;
  std::uint16_t nanoseconds_ = 0;
  std::uint32_t size_ = 0;
  union {
    std::int64_t integer_ = 0;
    double number_;
    const char* pointer_;
  };
};
static_assert(sizeof(Value) == 16);

/// Same type and same content; int64 and uint64 are one type here, decimals are compared as numbers,
/// a NaN equals itself, -0 differs from 0.
bool operator==(const Value& a, const Value& b);

/// The order that `scan_keys` agrees on: null first, numbers by size (all numeric types together),
/// text, bytes, json, arrays and uuids by their bytes, dates and times by time. Different kinds: by kind.
std::strong_ordering compare(const Value& a, const Value& b);

/// The canonical text: `true`, `-12`, `0.1` (shortest that reads back), `1.50`, `2024-02-29`,
/// `23:59:60`-free times `12:30:00.5`, `2024-02-29T12:30:00.000001`, the same with `Z`, hex for bytes.
/// Years outside 0000 to 9999 carry a sign and at least five digits (`+12345-01-01`, `-00043-03-15`).
/// null and absent give an empty text: ask `is_null` first.
std::string to_text(const Value& value);
void append_text(const Value& value, std::string& out);

/// Reads a canonical text of type `type` back; bytes go into `arena`.
/// Throws Error(bad_config) naming the text when it is not one. `to_text` and `parse_value` are inverse.
Value parse_value(Type type, std::string_view text, Arena& arena);

/// Whether `text` is a decimal in canonical notation.
bool is_decimal(std::string_view text);

}  // namespace syncflow
