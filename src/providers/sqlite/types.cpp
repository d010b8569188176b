#include "providers/sqlite/types.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <vector>

#include "core/text.h"

namespace syncflow::sqlite {
namespace {

/// "timestamp (6) with  time zone" -> name "TIMESTAMP WITH TIME ZONE", arguments {6}.
struct Declaration {
  std::string name;
  std::vector<int> arguments;
};

Declaration parse(std::string_view declared) {
  Declaration out;
  bool inside = false;
  std::string argument;
  const auto end_argument = [&] {
    int number = 0;
    if (std::from_chars(argument.data(), argument.data() + argument.size(), number).ec == std::errc())
      out.arguments.push_back(number);
    argument.clear();
  };
  for (const char c : declared) {
    if (c == '(') inside = true;
    else if (inside && (c == ',' || c == ')')) end_argument(), inside = c == ',';
    else if (inside) argument += c == ' ' ? "" : std::string(1, c);
    else if (c == ' ' || c == '\t' || c == '\n')
      out.name += out.name.empty() || out.name.back() == ' ' ? "" : " ";
    else out.name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  while (!out.name.empty() && out.name.back() == ' ') out.name.pop_back();
  return out;
}

/// SQLite's own rules, in their order.
Affinity affinity_of(const std::string& name, bool strict) {
  const auto has = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  if (strict && name == "ANY") return Affinity::blob;
  if (has("INT")) return Affinity::integer;
  if (has("CHAR") || has("CLOB") || has("TEXT")) return Affinity::text;
  if (has("BLOB") || name.empty()) return Affinity::blob;
  if (has("REAL") || has("FLOA") || has("DOUB")) return Affinity::real;
  return Affinity::numeric;
}

const std::map<std::string, Type, std::less<>> kNamed = {
    {"BOOLEAN", Type::boolean},
    {"BOOL", Type::boolean},
    {"DECIMAL", Type::decimal},
    {"NUMERIC", Type::decimal},
    {"DEC", Type::decimal},
    {"NUMBER", Type::decimal},
    {"DECIMAL_TEXT", Type::decimal},
    {"DATE", Type::date},
    {"TIME", Type::time},
    {"TIME WITHOUT TIME ZONE", Type::time},
    {"TIMESTAMP", Type::timestamp},
    {"DATETIME", Type::timestamp},
    {"DATETIME2", Type::timestamp},
    {"SMALLDATETIME", Type::timestamp},
    {"TIMESTAMP WITHOUT TIME ZONE", Type::timestamp},
    {"TIMESTAMPTZ", Type::timestamp_tz},
    {"TIMESTAMP WITH TIME ZONE", Type::timestamp_tz},
    {"DATETIMEOFFSET", Type::timestamp_tz},
    {"UUID", Type::uuid},
    {"GUID", Type::uuid},
    {"UNIQUEIDENTIFIER", Type::uuid},
    {"JSON", Type::json},
    {"JSONB", Type::json},
    {"JSON_TEXT", Type::json},
    {"BINARY", Type::bytes},
    {"VARBINARY", Type::bytes},
    {"BYTEA", Type::bytes},
};

/// "UNSIGNED BIG INT", "INT8", "BIGINT UNSIGNED", but not "POINT" and "INTERVAL", which SQLite takes for integers
/// too because of three letters.
bool names_integer(const std::string& name) {
  static const std::vector<std::string> prefixes = {"", "U", "TINY", "SMALL", "MEDIUM", "BIG", "LONG"};
  for (std::string word : split(name, ' ')) {
    while (!word.empty() && word.back() >= '0' && word.back() <= '9') word.pop_back();
    for (const std::string& prefix : prefixes)
      if (word == prefix + "INT" || word == prefix + "INTEGER") return true;
  }
  return false;
}

/// Declared types that come back from a schema as they were written, and could be any quoted text.
bool is_plain_type(std::string_view declared) {
  static const std::vector<std::string> not_types = {
      "PRIMARY", "KEY",        "UNIQUE",     "NOT",       "NULL", "CHECK", "DEFAULT",
      "COLLATE", "REFERENCES", "CONSTRAINT", "GENERATED", "AS",   "ON"};
  if (declared.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_ (),") !=
      std::string_view::npos)
    return false;
  const auto open = declared.find('('), close = declared.find(')');
  if ((open == std::string_view::npos) != (close == std::string_view::npos)) return false;
  if (open != std::string_view::npos &&
      (close != declared.size() - 1 ||
       declared.substr(open + 1, close - open - 1).find_first_not_of("0123456789, ") !=
           std::string_view::npos))
    return false;
  for (const std::string& word : split(parse(declared).name, ' '))
    if (std::find(not_types.begin(), not_types.end(), word) != not_types.end()) return false;
  return !declared.empty() && declared.front() >= 'A' && declared.find(',') >= open;
}

std::string decimal_declaration(const Field& field) {
  if (!field.precision) return "DECIMAL_TEXT";
  return fmt::format("DECIMAL_TEXT({},{})", *field.precision, field.scale.value_or(0));
}

}  // namespace

ColumnType column_type(std::string_view declared, bool strict) {
  const Declaration declaration = parse(declared);
  ColumnType type;
  type.affinity = affinity_of(declaration.name, strict);
  if (const auto named = kNamed.find(declaration.name); named != kNamed.end()) {
    type.canonical = named->second;
    if (type.canonical == Type::decimal && !declaration.arguments.empty()) {
      type.precision = declaration.arguments[0];
      type.scale = declaration.arguments.size() > 1 ? declaration.arguments[1] : 0;
    }
    return type;
  }
  switch (type.affinity) {
    case Affinity::integer:
      type.dynamic = !names_integer(declaration.name);
      if (!type.dynamic) type.canonical = Type::int64;
      return type;
    case Affinity::text: return type;
    case Affinity::blob:
      type.dynamic = declaration.name.empty() || declaration.name == "ANY";
      if (!type.dynamic) type.canonical = Type::bytes;
      return type;
    case Affinity::real: type.canonical = Type::float64; return type;
    case Affinity::numeric: type.dynamic = true; return type;
  }
  return type;
}

std::string declared_type(const Field& field, std::string_view provider) {
  if (provider == "sqlite" && is_plain_type(field.native)) return field.native;
  switch (field.type) {
    case Type::boolean: return "BOOLEAN";
    case Type::int64: return "INTEGER";
    // SQLite's integers end at 2^63 - 1, and a name with INT in it would turn larger ones into floating point.
    case Type::uint64: return "DECIMAL_TEXT(20,0)";
    case Type::float64: return "DOUBLE";
    case Type::decimal: return decimal_declaration(field);
    case Type::bytes: return "BLOB";
    case Type::date: return "DATE";
    case Type::time: return "TIME";
    case Type::timestamp: return "TIMESTAMP";
    case Type::timestamp_tz: return "TIMESTAMPTZ";
    case Type::uuid: return "UUID";
    // Not JSON: of the document 1.10 that would keep the floating-point number 1.1.
    case Type::json:
    case Type::array: return "JSON_TEXT";
    default: return "TEXT";
  }
}

}  // namespace syncflow::sqlite
