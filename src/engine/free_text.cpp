#include "engine/free_text.h"

#include <fmt/core.h>

#include "core/secrets.h"
#include "core/text.h"

namespace syncflow {

FreeText::FreeText(std::string text) : written_(escaped(text)), value_(std::move(text)) {}

FreeText FreeText::written(std::string text) {
  FreeText made;
  made.value_ = syncflow::fill_in(text, [&made](const std::string&) {
    made.holds_variable_ = true;
    return std::string();
  });
  if (made.holds_variable_) made.value_.reset();
  made.written_ = std::move(text);
  return made;
}

void FreeText::fill_in(const Variables& variables) {
  if (!holds_variable_) return;
  value_ = syncflow::fill_in(written_, [&](const std::string& name) {
    std::string value = variables.at(name);
    never_show(value);
    return value;
  });
}

const std::string& FreeText::value() const {
  if (value_) return *value_;
  throw Error(ErrorKind::bug, fmt::format("\"{}\" was not filled in", shortened(written_)));
}

Error FreeText::without_value(ErrorKind kind) const {
  return Error(kind,
               fmt::format("what \"{}\" stands for does not fit here; it is not shown, as it may be a secret",
                           shortened(written_)));
}

}  // namespace syncflow
