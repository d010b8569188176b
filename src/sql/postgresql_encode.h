#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/arena.h"
#include "core/value.h"
#include "sql/postgresql_forms.h"

namespace syncflow::sql::pg {

/// What a column takes, and in which form its values are sent.
struct Encoding {
  Form form = Form::text;
  Form element = Form::text;                     ///< of Form::array, which is sent as an array literal
  std::optional<std::size_t> length = {};        ///< text: characters
  bool exact_length = false;                     ///< bit(n): all of them, no fewer
  std::optional<std::size_t> length_bytes = {};  ///< text: bytes (type name)
  std::optional<int> precision = {};             ///< numeric: digits in all
  int scale = 0;            ///< numeric with a precision: digits after the point, may be negative
  int second_digits = 6;    ///< times: digits of the second
  bool padded = false;      ///< char(n): trailing blanks would be lost
  bool jsonb_text = false;  ///< Form::json that becomes jsonb: its stricter rules hold
  std::int64_t zone_offset =
      0;  ///< microseconds that naive times are ahead of UTC, for instants into naive columns and back
};

/// Whether values of that canonical type can go into such a column at all.
bool can_hold(const Encoding& encoding, Type type);

/// Turns values into fields of binary COPY, length in front. Not thread-safe.
class Encoder {
 public:
  /// Appends the field; false: the column cannot hold this very value, `reason` says why, and nothing
  /// was appended. null gives NULL; absent must not come here.
  bool append(const Encoding& encoding, const Value& value, std::string& out, std::string& reason);

 private:
  Arena scratch_;
  std::string text_;
};

/// The bytes in front of the first row and behind the last one.
inline constexpr std::string_view kCopyHeader{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
inline constexpr std::string_view kCopyEnd{"\377\377", 2};

}  // namespace syncflow::sql::pg
