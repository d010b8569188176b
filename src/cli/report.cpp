#include "cli/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "core/json.h"
#include "core/text.h"
#include "engine/json_view.h"

namespace syncflow::cli {
namespace {

/// "10 read, 9 written, 1 quarantined"
std::string in_words(const Figures& figures) {
  std::vector<std::string> words;
  for (const NamedFigure& figure : kFigures)
    if (const std::int64_t count = figures.*figure.count; count != 0)
      words.push_back(fmt::format("{} {}", with_commas(count), figure.name));
  return words.empty() ? "nothing to do" : join(words, ", ");
}

}  // namespace

std::string with_commas(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = digits.front() == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string json_line(const SyncReport& report) {
  boost::json::object line{
      {"sync", report.sync},
      {"job_id", report.job_id.empty() ? boost::json::value(nullptr) : boost::json::value(report.job_id)},
      {"status", report.status},
      {"strategy", report.strategy}};
  add_figures(line, report.figures);
  // Milliseconds say enough.
  line["seconds"] = std::round(report.seconds * 1000) / 1000;
  boost::json::array tables;
  for (const TableReport& table : report.tables) tables.push_back(to_json(table));
  line["tables"] = std::move(tables);
  if (!report.error.empty()) line["error"] = report.error;
  return to_json_text(line);
}

std::string text_lines(const SyncReport& report) {
  std::string lines = fmt::format("{}: {} in {:.2f} s", report.sync, report.status, report.seconds);
  if (!report.strategy.empty()) lines += " by " + report.strategy;
  lines += ": " + in_words(report.figures) + "\n";
  if (report.tables.size() > 1)
    for (const TableReport& table : report.tables)
      lines += fmt::format("  {} -> {} by {}: {}\n", table.source, table.destination, table.strategy,
                           in_words(table.figures));
  if (!report.error.empty()) lines += "  " + report.error + "\n";
  if (report.hold == "brake")
    lines += fmt::format("  it is on hold; to let these go: syncflow resume {}\n", report.sync);
  else if (!report.hold.empty() && report.hold != "removed")
    lines += fmt::format("  it is on hold; once that is mended: syncflow resume {}, or run it again\n",
                         report.sync);
  if (report.in_quarantine > 0)
    lines += fmt::format("  {} {} in quarantine; see: syncflow quarantine --sync {}\n",
                         with_commas(static_cast<std::int64_t>(report.in_quarantine)),
                         report.in_quarantine == 1 ? "row waits" : "rows wait", report.sync);
  return lines;
}

int exit_code_of(const std::vector<SyncReport>& reports) {
  const bool failed =
      std::any_of(reports.begin(), reports.end(), [](const auto& r) { return r.status != "completed"; });
  if (failed) return 1;
  return std::any_of(reports.begin(), reports.end(), [](const auto& r) { return r.in_quarantine > 0; }) ? 4
                                                                                                        : 0;
}

}  // namespace syncflow::cli
