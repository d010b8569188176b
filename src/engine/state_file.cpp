#include "engine/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "engine/sha256.h"

namespace syncflow {
namespace {

constexpr const char* kFormat = "syncflow state";
constexpr int kVersion = 1;
constexpr const char* kNone = "this is no file that `syncflow state export` wrote";

boost::json::value to_json(const StateCell& cell) {
  if (const auto* number = std::get_if<std::int64_t>(&cell)) return *number;
  if (const auto* text = std::get_if<std::string>(&cell)) {
    if (is_utf8(*text)) return boost::json::value(*text);
    return boost::json::object{{"hex", to_hex(*text)}};
  }
  return nullptr;
}

StateCell from_json(const boost::json::value& value) {
  if (value.is_null()) return std::monostate();
  if (value.is_object()) return from_hex(std::string_view(value.as_object().at("hex").as_string()));
  if (value.is_string()) return std::string(std::string_view(value.as_string()));
  return value.to_number<std::int64_t>();
}

bool holds_number(StateKind kind) {
  return kind == StateKind::number || kind == StateKind::mapping || kind == StateKind::flag ||
         kind == StateKind::time;
}

/// Whether the cell is null or of the column's kind.
bool suits(const StateCell& cell, StateKind kind) {
  return std::holds_alternative<std::monostate>(cell) ||
         std::holds_alternative<std::int64_t>(cell) == holds_number(kind);
}

boost::json::array columns_of(const StateTable& table) {
  boost::json::array columns;
  for (const StateColumn& column : table.columns) columns.emplace_back(column.name);
  return columns;
}

/// Each line together with all before it.
std::string next_checksum(const std::string& before, const std::string& line) {
  return sha256_hex(before + line);
}

}  // namespace

// --- writing ---

StateFileWriter::StateFileWriter(std::filesystem::path file, Time now)
    : file_(std::move(file)), unfinished_(file_.string() + ".part") {
  std::error_code unreadable;
  if (std::filesystem::exists(file_, unreadable))
    throw Error(ErrorKind::conflict,
                fmt::format("{} is there already: name another file, or remove it", file_.string()));
  // It tells what the tables hold: keys of rows, and why some were refused.
  const int made = ::open(unfinished_.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  if (made < 0) fail("making");
  made_ = true;
  ::close(made);
  out_.open(unfinished_, std::ios::binary | std::ios::app);
  if (!out_) fail("opening");
  write(to_json_text(
      boost::json::object{{"format", kFormat}, {"version", kVersion}, {"exported_at", to_rfc3339(now)}}));
}

StateFileWriter::~StateFileWriter() {
  if (!made_) return;
  out_.close();
  std::error_code left_behind;  // in the folder that the user named, under a name that says what it is
  std::filesystem::remove(unfinished_, left_behind);
}

void StateFileWriter::add(const StateRow& row) {
  if (row.table != table_) {
    table_ = row.table;
    write(to_json_text(boost::json::object{{"table", table_->name}, {"columns", columns_of(*table_)}}));
  }
  boost::json::array cells;
  for (const StateCell& cell : row.cells) cells.push_back(to_json(cell));
  write(to_json_text(cells));
  ++rows_;
  ++counts_[std::string(row.table->name)];
}

void StateFileWriter::finish() {
  write(to_json_text(boost::json::object{{"rows", rows_}, {"checksum", checksum_}}));
  out_.close();
  if (!out_) fail("writing");
  const int written = ::open(unfinished_.c_str(), O_RDONLY | O_CLOEXEC);
  const bool on_disk = written >= 0 && ::fsync(written) == 0;
  if (written >= 0) ::close(written);
  if (!on_disk) fail("writing");
  if (::rename(unfinished_.c_str(), file_.c_str()) != 0) fail("renaming");
  made_ = false;
}

void StateFileWriter::write(const std::string& line) {
  checksum_ = next_checksum(checksum_, line);
  out_ << line << '\n';
  if (!out_) fail("writing");
}

void StateFileWriter::fail(const std::string& doing) const {
  throw Error(ErrorKind::unavailable,
              fmt::format("{} {}: {}", doing, unfinished_.string(), std::strerror(errno)));
}

// --- reading ---

StateFileReader::StateFileReader(std::filesystem::path file) : file_(std::move(file)) {
  in_.open(file_, std::ios::binary);
  if (!in_)
    throw Error(ErrorKind::not_found, fmt::format("opening {}: {}", file_.string(), std::strerror(errno)));
  const std::string line = read_line();
  try {
    const boost::json::value header = boost::json::parse(line);
    if (header.at("format") != kFormat) refuse(kNone);
    if (header.at("version") != kVersion)
      refuse(fmt::format("a newer syncflow wrote it: its version is {}, this program knows {}",
                         to_json_text(header.at("version")), kVersion));
    exported_at_ = from_rfc3339(std::string_view(header.at("exported_at").as_string()));
  } catch (const boost::system::system_error&) {
    refuse(kNone);
  } catch (const std::out_of_range&) {
    refuse(kNone);
  }
}

std::optional<StateRow> StateFileReader::next() {
  for (;;) {
    const std::string before = checksum_;
    const std::string line = read_line();
    try {
      const boost::json::value value = boost::json::parse(line);
      if (value.is_array()) return row_of(value.as_array());
      const boost::json::object& object = value.as_object();
      if (object.contains("checksum")) {
        check_end(object.at("rows").to_number<std::int64_t>(), object.at("checksum").as_string(), before);
        return std::nullopt;
      }
      begin_table(std::string(std::string_view(object.at("table").as_string())),
                  to_json_text(object.at("columns")));
    } catch (const boost::system::system_error& malformed) {
      refuse(fmt::format("the file was changed: {}", malformed.code().message()));
    } catch (const std::out_of_range&) {
      refuse("the file was changed: neither a table nor the end");
    }
  }
}

StateRow StateFileReader::row_of(const boost::json::array& cells) {
  if (table_ == nullptr || cells.size() != table_->columns.size())
    refuse("the file was changed: a row does not suit its table");
  StateRow row{table_, {}};
  for (const boost::json::value& cell : cells) {
    const StateColumn& column = table_->columns[row.cells.size()];
    row.cells.push_back(from_json(cell));
    if (!suits(row.cells.back(), column.kind))
      refuse(fmt::format("the file was changed: {} of {} is of another kind", column.name, table_->name));
  }
  ++rows_;
  ++counts_[std::string(table_->name)];
  return row;
}

std::string StateFileReader::read_line() {
  std::string line;
  ++line_;
  if (!std::getline(in_, line) || in_.eof()) refuse("the file ends before its end: it was cut");
  checksum_ = next_checksum(checksum_, line);
  return line;
}

void StateFileReader::begin_table(const std::string& name, const std::string& columns) {
  const StateTable* table = state_table_named(name);
  if (table == nullptr || to_json_text(columns_of(*table)) != columns)
    refuse(fmt::format("the table {} is not as this syncflow knows it", shortened(name)));
  if (table_ != nullptr && table <= table_)
    refuse(fmt::format("the table {} stands in the wrong place", name));
  table_ = table;
}

void StateFileReader::check_end(std::int64_t rows, std::string_view checksum,
                                const std::string& expected) const {
  if (rows != rows_)
    refuse(fmt::format("{} rows were written, {} are there: the file was changed", rows, rows_));
  if (checksum != expected) refuse("the checksum is another one: the file was changed");
}

void StateFileReader::refuse(const std::string& why) const {
  throw Error(ErrorKind::bad_config, fmt::format("{}:{}: {}", file_.string(), line_, why));
}

}  // namespace syncflow
