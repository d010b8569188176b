#include "core/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/json.hpp>
#include <memory>

namespace syncflow::log {
namespace {

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
    made.logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    return made;
  }();
  return out;
}

std::string as_text(std::string_view sentence, Fields fields) {
  std::string line(sentence);
  for (const auto& [name, value] : fields) {
    line += ' ';
    line += name;
    line += '=';
    const bool plain = !value.empty() && value.find_first_of(" \"=\n\t") == std::string::npos;
    line += plain ? value : boost::json::serialize(boost::json::string(value));
  }
  // One record, one line: a message from a server may hold several.
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  return line;
}

std::string as_json(Level level, std::string_view sentence, Fields fields) {
  boost::json::object record{{"level", word_of(level)}, {"message", sentence}};
  for (const auto& [name, value] : fields) record[name] = value;
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

void configure(Level least, Form form) {
  Output& out = output();
  out.form = form;
  out.logger->set_level(level_of(least));
  if (form == Form::json) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v)",
                                                                 spdlog::pattern_time_type::utc);
    out.logger->set_formatter(std::move(formatter));
  }
}

void debug(std::string_view sentence, Fields fields) { write(Level::debug, sentence, fields); }
void info(std::string_view sentence, Fields fields) { write(Level::info, sentence, fields); }
void warn(std::string_view sentence, Fields fields) { write(Level::warn, sentence, fields); }
void error(std::string_view sentence, Fields fields) { write(Level::error, sentence, fields); }

}  // namespace syncflow::log
