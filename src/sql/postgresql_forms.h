#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "core/value.h"

/// The forms in which PostgreSQL sends and takes values: binary COPY and its own text notation.
namespace syncflow::sql::pg {

/// What the bytes of a field in binary format are.
enum class Form : std::uint8_t {
  boolean,
  int2,
  int4,
  int8,
  uint4,  ///< oid
  uint8,  ///< xid8
  float4,
  float8,
  numeric,
  text,
  padded_text,  ///< char(n): trailing blanks mean nothing
  native_text,  ///< the exact text of a type without a canonical form
  bytes,
  date,
  time,
  timestamp,
  timestamp_tz,
  uuid,
  json,
  jsonb,  ///< a version byte, then text
  array,
};

/// The canonical type that values of this form have.
Type type_of(Form form);

/// "int8", "pg_catalog.numeric": how the server calls the plainest type of this form.
std::string_view type_name(Form form);

/// PostgreSQL counts from 2000-01-01.
inline constexpr std::int64_t kEpochDays = 10'957;
inline constexpr std::int64_t kEpochMicroseconds = kEpochDays * 86'400'000'000;

template <typename Number>
Number network_order(const char* bytes) {
  Number number;
  std::memcpy(&number, bytes, sizeof number);
  if constexpr (sizeof number == 1) return number;
  else if constexpr (sizeof(Number) == 2)
    return static_cast<Number>(__builtin_bswap16(static_cast<std::uint16_t>(number)));
  else if constexpr (sizeof(Number) == 4)
    return static_cast<Number>(__builtin_bswap32(static_cast<std::uint32_t>(number)));
  else return static_cast<Number>(__builtin_bswap64(static_cast<std::uint64_t>(number)));
}

template <typename Number>
void put_network_order(Number number, std::string& out) {
  const Number swapped = network_order<Number>(reinterpret_cast<const char*>(&number));
  out.append(reinterpret_cast<const char*>(&swapped), sizeof swapped);
}

/// The value in PostgreSQL's own notation, which reads back as the very same: as `to_text`, but with its
/// years (`0044-03-15 BC`, `12345-01-01`), `\x` in front of bytes, and arrays as `{1,2}`.
std::string exact_text(const Value& value);

/// A canonical text of that type, as keys are kept, in PostgreSQL's own notation.
std::string exact_text(Type type, std::string_view canonical);

/// The canonical text of what `exact_text` wrote.
std::string canonical_text(Type type, std::string_view exact);

/// A JSON array of canonical texts as an array literal: `[1,null,"a\"b"]` gives `{"1",NULL,"a\"b"}`.
/// `element`: what the texts are. Throws Error(bad_config) when it is no JSON array.
std::string array_literal(std::string_view json, Type element);

/// Appends the text as a JSON string, quotes included.
void append_json_string(std::string_view text, std::string& out);

}  // namespace syncflow::sql::pg
