#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace syncflow::log {

enum class Level { debug, info, warn, error };
enum class Form { text, json };

using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

/// To standard error. Call once, before threads start; default: info, text.
void configure(Level least, Form form);

/// A full sentence and its fields, always `sync` and `job` when known. Thread-safe.
void debug(std::string_view sentence, Fields fields = {});
void info(std::string_view sentence, Fields fields = {});
void warn(std::string_view sentence, Fields fields = {});
void error(std::string_view sentence, Fields fields = {});

}  // namespace syncflow::log
