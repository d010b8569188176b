#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "store/state.h"

namespace syncflow {

/// A store's state as a file: a line of JSON for the header, one for each table (`{"table": …, "columns": […]}`), one
/// for each of its rows (an array), and a last one with their number and a checksum, without which the file is not
/// whole. Bytes that are no UTF-8 stand as {"hex": …}.

/// Rows of each table, by its name.
using StateCounts = std::map<std::string, std::int64_t>;

/// Writes beside the file, and puts it in its place when it is whole. Readable by its owner alone.
class StateFileWriter {
 public:
  /// Throws Error(conflict) when there is such a file already, Error(unavailable) when it cannot be made.
  StateFileWriter(std::filesystem::path file, Time now);
  /// Drops what was not finished.
  ~StateFileWriter();
  StateFileWriter(const StateFileWriter&) = delete;
  StateFileWriter& operator=(const StateFileWriter&) = delete;

  void add(const StateRow& row);
  /// The file is whole and on disk on return.
  void finish();
  const StateCounts& counts() const { return counts_; }

 private:
  void write(const std::string& line);
  [[noreturn]] void fail(const std::string& doing) const;

  const std::filesystem::path file_;
  const std::filesystem::path unfinished_;
  std::ofstream out_;
  bool made_ = false;
  const StateTable* table_ = nullptr;
  std::string checksum_;
  std::int64_t rows_ = 0;
  StateCounts counts_;
};

/// Reads such a file, row by row. Throws Error(bad_config) that names the line where it is none, is of a newer syncflow,
/// or was cut or changed.
class StateFileReader {
 public:
  explicit StateFileReader(std::filesystem::path file);

  /// Empty: that was all, and the file is whole.
  std::optional<StateRow> next();
  const StateCounts& counts() const { return counts_; }
  Time exported_at() const { return exported_at_; }

 private:
  std::string read_line();
  StateRow row_of(const boost::json::array& cells);
  void begin_table(const std::string& name, const std::string& columns);
  void check_end(std::int64_t rows, std::string_view checksum, const std::string& expected) const;
  [[noreturn]] void refuse(const std::string& why) const;

  const std::filesystem::path file_;
  std::ifstream in_;
  std::int64_t line_ = 0;
  const StateTable* table_ = nullptr;
  std::string checksum_;
  std::int64_t rows_ = 0;
  StateCounts counts_;
  Time exported_at_{};
};

}  // namespace syncflow
