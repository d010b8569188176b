#include "providers/mysql/types.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "core/text.h"

namespace syncflow::mysql {
namespace {

/// InnoDB's longest index entry, of the row format that is its default.
constexpr std::size_t kIndexBytes = 3072;
/// What a key field that is neither text nor bytes may take of it, generously.
constexpr std::size_t kPlainKeyBytes = 40;
/// MySQL's longest row without its LOBs, less some room for bookkeeping.
constexpr std::size_t kRowBytes = 60'000;

Type canonical_of(const ColumnInfo& column) {
  switch (column.kind) {
    case Kind::integer: return column.is_unsigned && column.type == "bigint" ? Type::uint64 : Type::int64;
    case Kind::decimal: return Type::decimal;
    case Kind::real: return Type::float64;
    case Kind::bit: return Type::uint64;
    case Kind::year: return Type::int64;
    case Kind::date: return Type::date;
    case Kind::datetime: return Type::timestamp;
    case Kind::timestamp: return Type::timestamp_tz;
    case Kind::time: return Type::time;
    case Kind::text:
    case Kind::enumeration:
    case Kind::address: return Type::text;
    case Kind::set:
    case Kind::vector: return Type::array;
    case Kind::bytes:
    case Kind::geometry: return Type::bytes;
    case Kind::json: return Type::json;
    case Kind::uuid: return Type::uuid;
    case Kind::unknown: return Type::native;
  }
  return Type::native;
}

/// "varchar" of "varchar(20)".
std::string base_of(const std::string& native) { return native.substr(0, native.find_first_of("( ")); }

/// 20 of "varchar(20)"; 0 without a length.
std::size_t length_of(const std::string& native) {
  const auto open = native.find('(');
  std::size_t length = 0;
  if (open != std::string::npos)
    std::from_chars(native.data() + open + 1, native.data() + native.size(), length);
  return length;
}

/// Written anew, because where we write a backslash is a character like any other.
std::string with_labels(const std::string& base, const std::string& native) {
  std::vector<std::string> quoted_labels;
  for (const std::string& label : labels_of(native)) {
    std::string out = "'";
    for (const char c : label) out += c == '\'' ? std::string("''") : std::string(1, c);
    quoted_labels.push_back(out + "'");
  }
  return base + "(" + join(quoted_labels, ",") + ")";
}

std::string text_type_for(std::size_t bytes) {
  if (bytes <= 65'535) return "text";
  return bytes <= 16'777'215 ? "mediumtext" : "longtext";
}

bool is_text(Type type) {
  return type == Type::text || type == Type::json || type == Type::array || type == Type::native;
}

/// Bytes that a column takes of its row; LOBs only a pointer.
std::size_t row_bytes(const std::string& type) {
  const std::string base = base_of(type);
  if (base == "varchar" || base == "char") return length_of(type) * 4 + 2;
  if (base == "varbinary" || base == "binary") return length_of(type) + 2;
  return 32;
}

}  // namespace

Field field_of(const ColumnInfo& column) {
  Field field;
  field.name = column.name;
  field.type = canonical_of(column);
  field.nullable = column.nullable;
  field.native = column.native;
  field.generated = column.generated;
  switch (column.kind) {
    case Kind::decimal:
      field.precision = column.precision;
      field.scale = column.scale;
      break;
    case Kind::datetime:
    case Kind::timestamp:
    case Kind::time: field.precision = column.fraction; break;
    case Kind::text:
    case Kind::bytes:
      if (column.type != "longtext" && column.type != "longblob")
        field.length = column.max_characters > 0 ? column.max_characters : column.max_bytes;
      break;
    default: break;
  }
  return field;
}

std::string exact_collation(const ServerVersion& server) {
  if (server.mariadb) return "utf8mb4_nopad_bin";
  return server.at_least(8, 0, 17) ? "utf8mb4_0900_bin" : "utf8mb4_bin";
}

ColumnTypes::ColumnTypes(const Schema& incoming, const ServerVersion& server)
    : incoming_(incoming), server_(server) {
  share_key_bytes();
  for (std::size_t i = 0; i < incoming_.fields.size(); ++i) types_.push_back(type_of(i));
  keep_rows_short();
}

bool ColumnTypes::is_key(std::size_t field) const {
  return std::find(incoming_.key.begin(), incoming_.key.end(), field) != incoming_.key.end();
}

void ColumnTypes::share_key_bytes() {
  std::size_t texts = 0;
  for (const std::size_t index : incoming_.key) {
    const Type type = incoming_.fields[index].type;
    if (is_text(type) || type == Type::bytes) ++texts;
  }
  if (texts == 0) return;
  const std::size_t plain = std::min((incoming_.key.size() - texts) * kPlainKeyBytes, kIndexBytes / 2);
  key_text_bytes_ = (kIndexBytes - plain) / texts;
}

std::string ColumnTypes::type_of(std::size_t index) const {
  const Field& field = incoming_.fields[index];
  const bool native = incoming_.provider == "mysql" && knows(field.native);
  const std::string plain = native ? native_type(field) : canonical_type(field);
  return is_key(index) ? key_type(field, plain) : plain;
}

/// The two kinds of server do not have all types in common.
bool ColumnTypes::knows(const std::string& native) const {
  const std::string base = base_of(native);
  if (native.empty()) return false;
  if (base == "uuid") return server_.mariadb && server_.at_least(10, 7);
  if (base == "inet6") return server_.mariadb;
  if (base == "inet4") return server_.mariadb && server_.at_least(10, 10);
  if (base == "vector") return server_.mariadb ? server_.at_least(11, 7) : server_.at_least(9);
  if (base == "decimal" && !server_.mariadb) {
    // MariaDB has up to 38 digits after the point, MySQL 30.
    const auto comma = native.find(',');
    std::size_t scale = 0;
    if (comma != std::string::npos)
      std::from_chars(native.data() + comma + 1, native.data() + native.size(), scale);
    return scale <= 30;
  }
  return true;
}

std::string ColumnTypes::native_type(const Field& field) const {
  const std::string base = base_of(field.native);
  // Every character may take four bytes here, where the source's character set may need fewer.
  if (base == "varchar" && length_of(field.native) > 16'000)
    return text_type_for(length_of(field.native) * 4);
  if (base == "tinytext") return "text";
  if (base == "text") return "mediumtext";
  if (base == "mediumtext") return "longtext";
  if (base == "enum" || base == "set") return with_labels(base, field.native);
  if (base == "geomcollection" && server_.mariadb) return "geometrycollection";
  return field.native;
}

std::string ColumnTypes::canonical_type(const Field& field) const {
  switch (field.type) {
    case Type::boolean: return "tinyint(1)";
    case Type::int64: return "bigint";
    case Type::uint64: return "bigint unsigned";
    case Type::float64: return "double";
    case Type::decimal: {
      const int scale = std::max(field.scale.value_or(0), 0);
      const int precision =
          std::max(field.precision.value_or(0) - std::min(field.scale.value_or(0), 0), scale);
      if (field.precision && precision <= 65 && scale <= 30)
        return fmt::format("decimal({},{})", precision, scale);
      return "decimal(65,30)";
    }
    case Type::bytes: return "longblob";
    case Type::date: return "date";
    case Type::time: return "time(6)";
    // A TIMESTAMP ends in 2038 and begins in 1970: of instants it would refuse the rest.
    case Type::timestamp:
    case Type::timestamp_tz: return "datetime(6)";
    case Type::uuid:
      if (server_.mariadb && server_.at_least(10, 7)) return "uuid";
      return "char(36) CHARACTER SET ascii COLLATE ascii_bin";
    case Type::json:
    case Type::array: return "json";
    case Type::text:
    case Type::native:
    case Type::absent:
    case Type::null: return "longtext";
  }
  return "longtext";
}

/// What an index takes whole.
std::string ColumnTypes::key_type(const Field& field, const std::string& plain) const {
  const std::string base = base_of(plain);
  if (field.type == Type::bytes) {
    const bool fits = (base == "varbinary" || base == "binary") && length_of(plain) <= key_text_bytes_;
    if (fits) return plain;
    return fmt::format("varbinary({})", std::min(field.length.value_or(key_text_bytes_), key_text_bytes_));
  }
  if (!is_text(field.type) || base == "enum" || base == "inet4" || base == "inet6") return plain;
  const std::size_t most = key_text_bytes_ / 4;
  std::string type = plain;
  if ((base != "varchar" && base != "char") || length_of(plain) > most)
    type = fmt::format("varchar({})", std::max<std::size_t>(std::min(field.length.value_or(most), most), 1));
  return type + " CHARACTER SET utf8mb4 COLLATE " + exact_collation(server_);
}

/// The longest VARCHARs that are not of the key become TEXTs until the row fits.
void ColumnTypes::keep_rows_short() {
  const auto total = [&] {
    std::size_t bytes = 0;
    for (const std::string& type : types_) bytes += row_bytes(type);
    return bytes;
  };
  while (total() > kRowBytes) {
    std::size_t longest = types_.size();
    for (std::size_t i = 0; i < types_.size(); ++i) {
      if (is_key(i) || row_bytes(types_[i]) <= 32) continue;
      if (longest == types_.size() || row_bytes(types_[i]) > row_bytes(types_[longest])) longest = i;
    }
    if (longest == types_.size()) return;
    const bool text = base_of(types_[longest]).find("char") != std::string::npos;
    types_[longest] = text ? text_type_for(length_of(types_[longest]) * 4) : "blob";
  }
}

std::string ColumnTypes::definition(std::size_t index) const {
  const std::string& type = types_[index];
  // Written out, because a TIMESTAMP without it may get a default and an ON UPDATE of its own.
  if (!is_key(index)) return type + " NULL DEFAULT NULL";
  if (base_of(type) == "timestamp") return type + " NOT NULL DEFAULT '1970-01-01 00:00:01'";
  return type + " NOT NULL";
}

}  // namespace syncflow::mysql
