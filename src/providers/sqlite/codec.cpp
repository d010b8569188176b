#include "providers/sqlite/codec.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <charconv>

#include "core/decimal.h"
#include "core/error.h"
#include "core/text.h"
#include "providers/sqlite/codec_parts.h"
#include "sql/json_scanner.h"

namespace syncflow::sqlite {

std::string fixed_digits(double number) {
  char digits[400];
  return {digits, std::to_chars(digits, digits + sizeof digits, number, std::chars_format::fixed).ptr};
}

std::optional<std::string> check_digits(std::string_view decimal, const ColumnType& type) {
  if (!type.precision) return std::nullopt;
  const std::string plain = normalized_decimal(decimal);
  const auto point = plain.find('.');
  const std::size_t sign = plain.front() == '-';
  const std::size_t whole = (point == std::string::npos ? plain.size() : point) - sign;
  const std::size_t fraction = point == std::string::npos ? 0 : plain.size() - point - 1;
  const bool only_zero = plain.substr(sign, whole) == "0";
  const auto scale = static_cast<std::size_t>(std::max(0, *type.scale));
  const auto room = static_cast<std::size_t>(std::max(0, *type.precision - *type.scale));
  if (fraction <= scale && (whole <= room || only_zero)) return std::nullopt;
  return fmt::format("{} has more digits than the declared ({},{})", shortened(decimal), *type.precision,
                     *type.scale);
}

bool is_json(std::string_view text) try {
  sql::JsonScanner scanner(text);
  while (scanner.next() != sql::JsonScanner::Token::end) {
  }
  return true;
} catch (const Error&) {
  return false;
}

Spelling spelling_of(const Stored& sample, const ColumnType& type, const Spelling& otherwise) {
  Spelling out = otherwise;
  Arena arena;
  Value value;
  if (decode(sample, type, otherwise, arena, value) || value.is_null()) return out;
  const std::string_view text = sample.bytes;
  const auto digits_from = [&](std::size_t seconds) {
    if (seconds >= text.size() || text[seconds] != ':') return -1;
    if (seconds + 3 >= text.size() || text[seconds + 3] != '.') return 0;
    return static_cast<int>(std::min(text.find_first_not_of("0123456789", seconds + 4), text.size()) -
                            seconds - 4);
  };
  if (type.canonical == Type::uuid) {
    if (sample.storage == Stored::Class::blob) out.uuid = Spelling::Uuid::blob;
    else if (text.find_first_of("ABCDEF") != std::string_view::npos) out.uuid = Spelling::Uuid::upper;
    else if (text.find_first_of("abcdef") != std::string_view::npos) out.uuid = Spelling::Uuid::lower;
  } else if (type.canonical == Type::time) {
    out.time_digits = digits_from(5);
  } else if (type.canonical == Type::timestamp || type.canonical == Type::timestamp_tz) {
    const auto begin = text.find_first_of("Tt ");
    if (begin == std::string_view::npos) return out;
    out.separator = text[begin];
    out.fraction_digits = digits_from(begin + 6);
    const auto zone = text.find_first_of("Zz+-", begin);
    out.zone = zone == std::string_view::npos ? (type.canonical == Type::timestamp ? "Z" : "")
                                              : std::string(text.substr(zone));
    out.zone_on_naive = zone != std::string_view::npos && type.canonical == Type::timestamp;
  }
  return out;
}

Stored stored_at(const Statement& statement, int column) {
  switch (statement.type(column)) {
    case SQLITE_INTEGER: return Stored::of(statement.integer(column));
    case SQLITE_FLOAT: return Stored::of(statement.real(column));
    case SQLITE_TEXT: return Stored::text(statement.text(column));
    case SQLITE_BLOB: return Stored::blob(statement.blob(column));
    default: return {};
  }
}

void bind(Statement& statement, int index, const Stored& value) {
  switch (value.storage) {
    case Stored::Class::null: statement.bind_null(index); return;
    case Stored::Class::integer: statement.bind(index, value.integer); return;
    case Stored::Class::real: statement.bind(index, value.real); return;
    case Stored::Class::text: statement.bind_text(index, value.bytes); return;
    case Stored::Class::blob: statement.bind_blob(index, value.bytes); return;
  }
}

std::string show(const Stored& stored) {
  switch (stored.storage) {
    case Stored::Class::null: return "NULL";
    case Stored::Class::integer: return fmt::format("INTEGER {}", stored.integer);
    case Stored::Class::real: return fmt::format("REAL {}", to_text(Value::of(stored.real)));
    case Stored::Class::text:
      if (!is_utf8(stored.bytes))
        return fmt::format("TEXT x'{}', which is not UTF-8", shortened(to_hex(stored.bytes)));
      return fmt::format("TEXT '{}'", shortened(stored.bytes));
    case Stored::Class::blob: return fmt::format("BLOB x'{}'", shortened(to_hex(stored.bytes)));
  }
  return "";
}

}  // namespace syncflow::sqlite
