#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/process.h"

namespace syncflow::tests {

struct Figures {
  std::int64_t read = 0, written = 0, deleted = 0, unchanged = 0, filtered = 0, collapsed = 0,
               quarantined = 0;
  bool operator==(const Figures&) const = default;
  /// Whether the ends were equal before: what was read, if anything, was unchanged.
  bool nothing_done() const { return *this == Figures{.read = read, .unchanged = read}; }
};
std::ostream& operator<<(std::ostream& out, const Figures& figures);

/// A line of `run --json`, or one of its `tables`.
struct Report {
  std::string sync, job_id, status, strategy, error;
  std::string source, destination;  ///< of tables only
  Figures figures;
  std::vector<Report> tables;
};
std::ostream& operator<<(std::ostream& out, const Report& report);

/// A command of the program that has ended.
struct Finished {
  Exit exit;
  std::string out, err;
  std::string story;

  /// The lines that `--json` printed. Throws when one is no such line or its figures do not add up.
  std::vector<Report> reports() const;
};
std::ostream& operator<<(std::ostream& out, const Finished& finished);

/// `serve` that listens.
struct Service {
  Process process;
  std::uint16_t port;

  /// SIGTERM, and how it ended.
  Exit stop(std::chrono::seconds within = std::chrono::seconds(10));
};

/// A temporary folder with a config in which the program runs. A failed test prints what its programs said.
class Scenario : public ::testing::Test {
 protected:
  Scenario();
  ~Scenario() override;
  void TearDown() override;

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path write_file(const std::string& name, const std::string& content) const;
  void write_config(const std::string& yaml) const { write_file("syncflow.yaml", yaml); }

  /// Starts the program. Its output stays in the folder.
  Process start(std::vector<std::string> arguments);
  /// Runs the program to its end.
  Finished run(std::vector<std::string> arguments, std::chrono::seconds timeout = std::chrono::seconds(120));
  /// `run --json` with further arguments. A failure of the test unless it exits with `code`.
  std::vector<Report> run_syncs(std::vector<std::string> arguments = {}, int code = 0,
                                std::chrono::seconds timeout = std::chrono::seconds(300));
  /// `serve` on a free port; returns when it listens.
  Service serve(std::vector<std::string> arguments = {});

  /// For the environment of the programs started from now on.
  std::map<std::string, std::string> environment;
  /// The command that starts them; empty: none does.
  std::vector<std::string> enter;
  /// The program's file.
  std::string program;

 private:
  std::filesystem::path folder_;
  int started_ = 0;
};

}  // namespace syncflow::tests
