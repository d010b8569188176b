#include "core/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>

#include "core/secrets.h"
#include "core/text.h"

namespace syncflow::log {
namespace {

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%e%z %l %v";

spdlog::level::level_enum level_of(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view word_of(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
  }
  return "info";
}

struct Output {
  Form form = Form::text;
  std::shared_ptr<spdlog::logger> logger;
};

Output& output() {
  static Output out = [] {
    Output made;
    made.logger =
        std::make_shared<spdlog::logger>("syncflow", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made.logger->set_pattern(kTextPattern);
    return made;
  }();
  return out;
}

std::string shown(std::string_view text) { return repaired_utf8(without_secrets(text)); }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool is_plain(std::string_view value) {
  return !value.empty() && std::none_of(value.begin(), value.end(), [](char c) {
    return is_control(c) || c == ' ' || c == '"' || c == '=';
  });
}

thread_local Scope::Fields scoped;

/// Those of the thread's scopes that the line has not itself, and those of the line.
std::vector<std::pair<std::string_view, std::string_view>> all_fields(Fields fields) {
  std::vector<std::pair<std::string_view, std::string_view>> all;
  for (auto field = scoped.begin(); field != scoped.end(); ++field) {
    const auto same = [&](const auto& other) { return other.first == field->first; };
    const bool hidden =
        std::any_of(fields.begin(), fields.end(), same) || std::any_of(field + 1, scoped.end(), same);
    if (!hidden && !field->second.empty()) all.emplace_back(field->first, field->second);
  }
  all.insert(all.end(), fields.begin(), fields.end());
  return all;
}

std::string as_text(std::string_view sentence, Fields fields) {
  std::string line = shown(sentence);
  for (const auto& [name, value] : all_fields(fields)) {
    line += ' ';
    line += name;
    line += '=';
    const std::string text = shown(value);
    line += is_plain(text) ? text : boost::json::serialize(boost::json::string(text));
  }
  // One record, one line, and nothing that a terminal obeys: a message from a server may hold anything.
  for (char& c : line)
    if (is_control(c)) c = ' ';
  return line;
}

std::string as_json(Level level, std::string_view sentence, Fields fields) {
  boost::json::object record{{"level", word_of(level)}, {"message", shown(sentence)}};
  // A field does not replace what every record has.
  for (const auto& [name, value] : all_fields(fields))
    record[name == "time" || record.contains(name) ? std::string(name) + "_" : std::string(name)] =
        shown(value);
  std::string line = boost::json::serialize(record);
  line.erase(0, 1);
  return line;
}

void write(Level level, std::string_view sentence, Fields fields) {
  Output& out = output();
  if (!out.logger->should_log(level_of(level))) return;
  out.logger->log(level_of(level), "{}",
                  out.form == Form::json ? as_json(level, sentence, fields) : as_text(sentence, fields));
}

}  // namespace

Scope::Scope(std::initializer_list<Fields::value_type> fields) : Scope(Fields(fields)) {}

Scope::Scope(const Fields& fields) : before_(scoped.size()) {
  scoped.insert(scoped.end(), fields.begin(), fields.end());
}

Scope::~Scope() { scoped.resize(before_); }

Scope::Fields Scope::of_this_thread() { return scoped; }

void configure(Level least, Form form) {
  Output& out = output();
  out.form = form;
  out.logger->set_level(level_of(least));
  if (form == Form::text) return out.logger->set_pattern(kTextPattern);
  out.logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v)", spdlog::pattern_time_type::utc));
}

void debug(std::string_view sentence, Fields fields) { write(Level::debug, sentence, fields); }
void info(std::string_view sentence, Fields fields) { write(Level::info, sentence, fields); }
void warn(std::string_view sentence, Fields fields) { write(Level::warn, sentence, fields); }
void error(std::string_view sentence, Fields fields) { write(Level::error, sentence, fields); }

}  // namespace syncflow::log
