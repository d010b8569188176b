#include "providers/postgresql/types.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>

#include "core/error.h"

namespace syncflow::postgresql {
namespace {

using sql::pg::Encoding;
using sql::pg::Form;

/// The built-in types that we name, by their fixed numbers (pg_type.dat).
constexpr std::uint32_t kBool = 16;
constexpr std::uint32_t kBytea = 17;
constexpr std::uint32_t kChar = 18;
constexpr std::uint32_t kName = 19;
constexpr std::uint32_t kInt8 = 20;
constexpr std::uint32_t kInt2 = 21;
constexpr std::uint32_t kInt4 = 23;
constexpr std::uint32_t kText = 25;
constexpr std::uint32_t kOid = 26;
constexpr std::uint32_t kJson = 114;
constexpr std::uint32_t kXml = 142;
constexpr std::uint32_t kCidr = 650;
constexpr std::uint32_t kFloat4 = 700;
constexpr std::uint32_t kFloat8 = 701;
constexpr std::uint32_t kMacaddr8 = 774;
constexpr std::uint32_t kMoney = 790;
constexpr std::uint32_t kMacaddr = 829;
constexpr std::uint32_t kInet = 869;
constexpr std::uint32_t kBpchar = 1042;
constexpr std::uint32_t kVarchar = 1043;
constexpr std::uint32_t kDate = 1082;
constexpr std::uint32_t kTime = 1083;
constexpr std::uint32_t kTimestamp = 1114;
constexpr std::uint32_t kTimestamptz = 1184;
constexpr std::uint32_t kInterval = 1186;
constexpr std::uint32_t kTimetz = 1266;
constexpr std::uint32_t kBit = 1560;
constexpr std::uint32_t kVarbit = 1562;
constexpr std::uint32_t kNumeric = 1700;
constexpr std::uint32_t kUuid = 2950;
constexpr std::uint32_t kPgLsn = 3220;
constexpr std::uint32_t kJsonb = 3802;
constexpr std::uint32_t kJsonpath = 4072;
constexpr std::uint32_t kXid8 = 5069;
/// From here on numbers are given out by each database for itself.
constexpr std::uint32_t kFirstOwn = 10'000;

/// Types whose binary form we know.
std::optional<Form> binary_form(const TypeInfo& type) {
  switch (type.oid) {
    case kBool: return Form::boolean;
    case kInt2: return Form::int2;
    case kInt4: return Form::int4;
    case kInt8: return Form::int8;
    case kOid: return Form::uint4;
    case kXid8: return Form::uint8;
    case kFloat4: return Form::float4;
    case kFloat8: return Form::float8;
    case kNumeric: return Form::numeric;
    case kText:
    case kVarchar:
    case kName: return Form::text;
    case kBpchar: return Form::padded_text;
    case kBytea: return Form::bytes;
    case kDate: return Form::date;
    case kTime: return Form::time;
    case kTimestamp: return Form::timestamp;
    case kTimestamptz: return Form::timestamp_tz;
    case kUuid: return Form::uuid;
    case kJson: return Form::json;
    case kJsonb: return Form::jsonb;
    default: break;
  }
  // Their binary forms are their texts.
  if (type.kind == 'e' || type.name == "citext") return Form::text;
  return std::nullopt;
}

/// Types that are nothing but a text with rules. The rest of those without a canonical form of their own
/// (intervals, ranges, composites, shapes, …) are told as Type::native.
bool reads_as_text(const TypeInfo& type) {
  switch (type.oid) {
    case kChar:
    case kXml:
    case kCidr:
    case kInet:
    case kMacaddr:
    case kMacaddr8:
    case kBit:
    case kVarbit:
    case kJsonpath: return true;
    default: return false;
  }
}

/// The type's own text, whatever casts to text somebody may have made: inet::text, for one, adds a netmask.
/// Output functions of families (ranges, enums) want the type itself, not a domain over it.
SqlPattern text_of(const TypeInfo& type) {
  // xml_out leaves the declaration out; the cast keeps the document as it was stored.
  if (type.oid == kXml) return "CAST({} AS pg_catalog.text)";
  return fmt::format("pg_catalog.textin({}(CAST({{}} AS {})))", type.output, type.sql);
}

Reading array_reading(const TypeInfo& element) {
  if (const auto form = binary_form(element)) return {Form::array, *form, "{}"};
  if (element.oid == kMoney) return {Form::array, Form::numeric, "({})::pg_catalog.numeric[]"};
  return {Form::array, Form::text, "({})::pg_catalog.text[]"};
}

bool has_length(const Column& column) {
  return (column.type.oid == kVarchar || column.type.oid == kBpchar) && column.modifier >= 4;
}

bool has_precision(const Column& column) { return column.type.oid == kNumeric && column.modifier >= 4; }
int precision_of(const Column& column) { return (column.modifier - 4) >> 16 & 0xffff; }
/// Eleven bits with a sign, since a scale may be negative (PostgreSQL 15).
int scale_of(const Column& column) { return (((column.modifier - 4) & 0x7ff) ^ 1024) - 1024; }

bool counts_seconds(const Column& column) {
  const std::uint32_t type = column.type.oid;
  return type == kTime || type == kTimetz || type == kTimestamp || type == kTimestamptz || type == kInterval;
}
std::optional<int> second_digits(const Column& column) {
  if (!counts_seconds(column) || column.modifier < 0) return std::nullopt;
  // An interval's modifier also holds which of its fields are kept.
  const int digits = column.type.oid == kInterval ? column.modifier & 0xffff : column.modifier;
  return digits > 6 ? std::nullopt : std::optional(digits);
}

/// Types whose `=` holds for equal contents only: not numeric (1.0 = 1.00), floats (0 = -0), intervals
/// (1 day = 24 hours), json (has none), nor what is made of other types.
bool equality_is_exact(const Column& column) {
  switch (column.type.oid) {
    case kBool:
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
    case kXid8:
    case kName:
    case kBpchar:
    case kBytea:
    case kDate:
    case kTime:
    case kTimetz:
    case kTimestamp:
    case kTimestamptz:
    case kUuid:
    case kChar:
    case kCidr:
    case kInet:
    case kMacaddr:
    case kMacaddr8:
    case kBit:
    case kVarbit:
    case kMoney:
    case kPgLsn: return true;
    case kNumeric: return has_precision(column);
    case kText:
    case kVarchar: return !column.folds;
    default: return column.type.kind == 'e';
  }
}

SqlPattern comparison_of(const Column& column) {
  if (equality_is_exact(column)) return "{}";
  switch (column.type.oid) {
    case kText:
    case kVarchar: return "({} COLLATE pg_catalog.\"C\")";
    case kFloat4: return "pg_catalog.float4send({})";
    case kFloat8: return "pg_catalog.float8send({})";
    default: return "(" + text_of(column.type) + " COLLATE pg_catalog.\"C\")";
  }
}

Encoding encoding_of(const Column& column) {
  Encoding encoding;
  if (has_length(column)) encoding.length = static_cast<std::size_t>(column.modifier - 4);
  if (column.type.oid == kName) encoding.length_bytes = 63;
  encoding.padded = column.type.oid == kBpchar;
  if ((column.type.oid == kBit || column.type.oid == kVarbit) && column.modifier >= 0) {
    encoding.length = static_cast<std::size_t>(column.modifier);
    encoding.exact_length = column.type.oid == kBit;
  }
  if (has_precision(column)) {
    encoding.precision = precision_of(column);
    encoding.scale = scale_of(column);
  }
  encoding.second_digits = second_digits(column).value_or(6);
  return encoding;
}

/// Whether instants come into a naive column, or naive times into one of instants.
bool crosses_zones(Form form, Type incoming) {
  return (form == Form::timestamp && incoming == Type::timestamp_tz) ||
         (form == Form::timestamp_tz && incoming == Type::timestamp);
}

}  // namespace

std::string filled(const SqlPattern& pattern, std::string_view operand) {
  const auto at = pattern.find("{}");
  return pattern.substr(0, at) + std::string(operand) + pattern.substr(at + 2);
}

Reading reading_of(const Column& column) {
  if (column.element) return array_reading(*column.element);
  if (const auto form = binary_form(column.type)) return {*form, Form::text, "{}"};
  if (column.type.oid == kMoney) return {Form::numeric, Form::text, "({})::pg_catalog.numeric"};
  return {reads_as_text(column.type) ? Form::text : Form::native_text, Form::text, text_of(column.type)};
}

/// The casts take domains off, and let columns of several types that are read alike be hashed alike.
std::optional<Hashed> hashed_of(const Column& column) {
  const Reading reading = reading_of(column);
  const bool as_it_is = reading.expression == "{}";
  const bool is_built_in = column.type.oid < kFirstOwn;
  switch (reading.form) {
    case Form::int2:
    case Form::int4:
    case Form::int8:
    case Form::uint4: return Hashed{"CAST({} AS pg_catalog.int8)", "int8"};
    // Numbers are compared by their size: 1.0 equals 1.00.
    case Form::numeric: return Hashed{"pg_catalog.trim_scale(CAST({} AS pg_catalog.numeric))", "numeric"};
    case Form::text:
    case Form::padded_text:
      if (as_it_is && is_built_in) return Hashed{"CAST({} AS pg_catalog.text)", "text"};
      return Hashed{as_it_is ? text_of(column.type) : reading.expression, "text"};
    case Form::native_text: return Hashed{reading.expression, "native"};
    default: break;
  }
  if (!is_built_in) return std::nullopt;
  return Hashed{as_it_is ? "CAST({} AS " + column.type.sql + ")" : reading.expression, column.type.sql};
}

Field field_of(const Column& column) {
  Field field;
  field.name = column.name;
  field.type = sql::pg::type_of(reading_of(column).form);
  field.nullable = column.nullable;
  field.native = column.native;
  if (has_length(column)) field.length = static_cast<std::size_t>(column.modifier - 4);
  if (has_precision(column)) {
    field.precision = precision_of(column);
    field.scale = scale_of(column);
  }
  if (counts_seconds(column)) field.precision = second_digits(column).value_or(6);
  field.id = std::to_string(column.number);
  field.generated = column.generated;
  return field;
}

Writing writing_of(const Column& column, Type incoming, const Zone& zone) {
  Writing writing;
  writing.encoding = encoding_of(column);
  writing.comparison = comparison_of(column);
  const SqlPattern cast = "CAST({} AS " + column.type.sql + ")";
  const auto form = column.element ? std::nullopt : binary_form(column.type);

  if (column.element) {
    writing.encoding.form = Form::array;
    writing.encoding.element = array_reading(*column.element).element;
    writing.expression = cast;
  } else if (column.type.oid == kMoney) {
    // What a locale makes of cents is the server's to know; two digits are what nearly all have.
    writing.encoding.form = Form::numeric;
    writing.encoding.precision = 19;
    writing.encoding.scale = 2;
    writing.expression = cast;
  } else if (!form) {
    writing.encoding.form = reads_as_text(column.type) ? Form::text : Form::native_text;
    writing.expression = cast;
  } else {
    writing.encoding.form = *form;
    writing.direct = writing.encoding;
    // The stage holds these as text, so that a value that is none of its type fails where it can be told apart.
    const bool staged_as_text = sql::pg::type_name(*form) == "pg_catalog.text";
    if (staged_as_text && column.type.oid != kText) writing.expression = cast;
    if (*form == Form::jsonb) {
      writing.encoding.form = Form::json;
      writing.encoding.jsonb_text = true;
    }
  }
  if (crosses_zones(writing.encoding.form, incoming)) {
    writing.direct.reset();
    if (zone.ahead) {
      writing.encoding.zone_offset = zone.ahead->count();
      writing.direct = writing.encoding;
    } else {
      // The server knows the zones; it is given the value as it is.
      writing.encoding.form = incoming == Type::timestamp ? Form::timestamp : Form::timestamp_tz;
      writing.expression = fmt::format("({{}} AT TIME ZONE {})", libpq::literal(zone.name));
    }
  }
  writing.stage_type = sql::pg::type_name(writing.encoding.form);
  return writing;
}

std::string type_for(const Field& field) {
  switch (field.type) {
    case Type::boolean: return "boolean";
    case Type::int64: return "bigint";
    case Type::uint64: return "numeric(20,0)";
    case Type::float64: return "double precision";
    case Type::decimal: return "numeric";
    case Type::bytes: return "bytea";
    case Type::date: return "date";
    case Type::uuid: return "uuid";
    // json keeps the document as it was written; jsonb would drop doubled members and refuse \u0000.
    case Type::json:
    case Type::array: return "json";
    // Times here end at the microsecond.
    case Type::time: return field.precision.value_or(0) > 6 ? "text" : "time";
    case Type::timestamp: return field.precision.value_or(0) > 6 ? "text" : "timestamp";
    case Type::timestamp_tz: return field.precision.value_or(0) > 6 ? "text" : "timestamp with time zone";
    case Type::absent:
    case Type::null:
    case Type::text:
    case Type::native: return "text";
  }
  return "text";
}

}  // namespace syncflow::postgresql
