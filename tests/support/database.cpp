#include "support/database.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "core/text.h"
#include "support/url.h"

namespace syncflow::tests {
namespace {

void append_escaped(std::string& line, const std::string& cell) {
  for (const char c : cell) switch (c) {
      case '\\': line += "\\\\"; break;
      case '\t': line += "\\t"; break;
      case '\n': line += "\\n"; break;
      case '\r': line += "\\r"; break;
      default: line += c;
    }
}

struct Line {
  std::vector<std::string> key;
  std::string text;
};

Line to_line(Session::Row row, std::size_t key_columns) {
  Line line;
  for (std::size_t at = 0; at < row.size(); ++at) {
    if (at > 0) line.text += '\t';
    if (row[at]) append_escaped(line.text, *row[at]);
    else line.text += "\\N";
    if (at < key_columns) line.key.push_back(std::move(row[at]).value_or(""));
  }
  return line;
}

}  // namespace

std::string Session::value(const std::string& sql) {
  const std::vector<Row> all = rows(sql);
  if (all.size() != 1)
    throw std::runtime_error(fmt::format("{} rows instead of one came from: {}", all.size(), sql));
  return all.front().front().value_or("");
}

bool is_set(const char* variable) { return std::getenv(variable) != nullptr; }

std::string not_set(const char* variable) {
  return std::string(variable) + " is not set: eval \"$(script/servers env)\" sets it once the servers run";
}

std::string value_of(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr) throw std::runtime_error(not_set(variable));
  return value;
}

std::string with_database(const std::string& url, const std::string& name) {
  const std::size_t path = url.find('/', url.find("://") + 3);
  return url.substr(0, path) + "/" + name;
}

std::string unique_name() {
  static int made = 0;
  return fmt::format("scenario_{}_{}", ::getpid(), ++made);
}

std::vector<std::string> canonical(const Database& database, Session& session, const std::string& table,
                                   const std::vector<Column>& columns, std::size_t key_columns) {
  std::vector<std::string> expressions;
  for (const Column& column : columns)
    expressions.push_back(column.bytes ? database.hex(column.name) : column.name);
  std::vector<Line> lines;
  for (Session::Row& row : session.rows(fmt::format("SELECT {} FROM {}", join(expressions, ", "), table)))
    lines.push_back(to_line(std::move(row), key_columns));
  std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.key < b.key; });
  std::vector<std::string> texts;
  texts.reserve(lines.size());
  for (Line& line : lines) texts.push_back(std::move(line.text));
  return texts;
}

std::string difference(const std::vector<std::string>& expected, const std::vector<std::string>& actual) {
  if (expected == actual) return "";
  const auto [here, there] = std::mismatch(expected.begin(), expected.end(), actual.begin(), actual.end());
  return fmt::format(
      "{} rows were expected, {} are there; the first that differs is number {}:\nexpected: {}\nis there: {}",
      expected.size(), actual.size(), here - expected.begin() + 1, here == expected.end() ? "none" : *here,
      there == actual.end() ? "none" : *there);
}

}  // namespace syncflow::tests
