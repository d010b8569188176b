#include "support/program.h"

#include <fmt/core.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <ostream>
#include <sstream>
#include <stdexcept>

#include "core/text.h"

namespace syncflow::tests {
namespace {

namespace json = boost::json;

struct Figure {
  const char* name;
  std::int64_t Figures::*count;
};
constexpr std::array<Figure, 7> kFigures = {{{"read", &Figures::read},
                                             {"written", &Figures::written},
                                             {"deleted", &Figures::deleted},
                                             {"unchanged", &Figures::unchanged},
                                             {"filtered", &Figures::filtered},
                                             {"collapsed", &Figures::collapsed},
                                             {"quarantined", &Figures::quarantined}}};

std::string text_in(const json::object& line, const char* name) {
  const json::value* value = line.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

Report parsed(const json::object& line) {
  Report report{.sync = text_in(line, "sync"),
                .job_id = text_in(line, "job_id"),
                .status = text_in(line, "status"),
                .strategy = text_in(line, "strategy"),
                .error = text_in(line, "error"),
                .source = text_in(line, "source"),
                .destination = text_in(line, "destination"),
                .figures = {},
                .tables = {}};
  for (const Figure& figure : kFigures) report.figures.*figure.count = line.at(figure.name).as_int64();
  std::int64_t sum = -report.figures.read;
  for (const Figure& figure : kFigures) sum += report.figures.*figure.count;
  if (sum != report.figures.read)
    throw std::runtime_error(
        "read is not written + deleted + unchanged + filtered + collapsed + quarantined");
  if (const json::value* tables = line.if_contains("tables"))
    for (const json::value& table : tables->as_array()) report.tables.push_back(parsed(table.as_object()));
  return report;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Figures& figures) {
  const char* separator = "";
  for (const Figure& figure : kFigures)
    out << std::exchange(separator, ", ") << figure.name << " " << figures.*figure.count;
  return out;
}

std::ostream& operator<<(std::ostream& out, const Report& report) {
  out << report.sync << report.source << " " << report.destination << " " << report.status << " by "
      << report.strategy << ": " << report.figures << " " << report.error;
  for (const Report& table : report.tables) out << "\n  " << table;
  return out;
}

std::ostream& operator<<(std::ostream& out, const Finished& finished) { return out << finished.story; }

std::vector<Report> Finished::reports() const {
  std::vector<Report> all;
  for (const std::string& line : split(out, '\n')) {
    if (line.empty()) continue;
    try {
      all.push_back(parsed(json::parse(line).as_object()));
    } catch (const std::exception& problem) {
      throw std::runtime_error(
          fmt::format("not a line of run --json ({}): {}\n{}", problem.what(), line, story));
    }
  }
  return all;
}

Exit Service::stop(std::chrono::seconds within) {
  process.signal(SIGTERM);
  return process.wait(within);
}

Scenario::Scenario() : program(SYNCFLOW_PROGRAM) {
  std::string pattern = std::filesystem::temp_directory_path() / "syncflow-scenario.XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr)
    throw std::runtime_error("no temporary folder could be made as " + pattern);
  folder_ = pattern;
}

Scenario::~Scenario() { std::filesystem::remove_all(folder_); }

void Scenario::TearDown() {
  if (!HasFailure()) return;
  constexpr std::size_t kTold = 10'000;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    if (entry.path().extension() != ".err") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    const std::string all = text.str();
    std::cout << "--- " << entry.path().filename().string() << "\n"
              << all.substr(all.size() - std::min(all.size(), kTold)) << "\n";
  }
}

std::filesystem::path Scenario::write_file(const std::string& name, const std::string& content) const {
  const std::filesystem::path file = folder_ / name;
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << content;
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
  return file;
}

Process Scenario::start(std::vector<std::string> arguments) {
  const std::string name = fmt::format("{:02}-{}", ++started_, arguments.front());
  arguments.insert(arguments.begin(), program);
  arguments.insert(arguments.begin(), enter.begin(), enter.end());
  return Process({std::move(arguments), folder_, name, environment});
}

Finished Scenario::run(std::vector<std::string> arguments, std::chrono::seconds timeout) {
  Process process = start(std::move(arguments));
  const Exit exit = process.wait(timeout);
  return {exit, process.out(), process.err(), process.story()};
}

std::vector<Report> Scenario::run_syncs(std::vector<std::string> arguments, int code,
                                        std::chrono::seconds timeout) {
  arguments.insert(arguments.begin(), {"run", "--json"});
  const Finished finished = run(std::move(arguments), timeout);
  EXPECT_EQ(finished.exit, (Exit{code, 0})) << finished;
  return finished.reports();
}

Service Scenario::serve(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"serve", "--json", "--listen", "127.0.0.1:0"});
  Process process = start(std::move(arguments));
  const json::value announced = json::parse(process.wait_for_line("\"listening\":"));
  const std::string url(announced.at("listening").as_string());
  return {std::move(process), static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)))};
}

}  // namespace syncflow::tests
