#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace syncflow::log {

enum class Level { debug, info, warn, error };
enum class Form { text, json };

using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

/// Fields of every line that this thread logs while it lives, unless the line has one of that name itself. The newest
/// scope of a name counts; an empty value is left out.
class Scope {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  Scope(std::initializer_list<Fields::value_type> fields);
  explicit Scope(const Fields& fields);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// For a scope in a thread that works for this one.
  static Fields of_this_thread();

 private:
  const std::size_t before_;
};

/// To standard error. Call once, before threads start; default: info, text.
void configure(Level least, Form form);

/// A full sentence and its fields, always `sync` and `job` when known. Thread-safe.
void debug(std::string_view sentence, Fields fields = {});
void info(std::string_view sentence, Fields fields = {});
void warn(std::string_view sentence, Fields fields = {});
void error(std::string_view sentence, Fields fields = {});

}  // namespace syncflow::log
