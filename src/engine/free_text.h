#pragma once

#include <optional>
#include <string>

#include "core/error.h"
#include "engine/variables.h"

namespace syncflow {

/// A text of a sync that may hold a secret by way of `${NAME}`: a constant, the value of a filter, a param of a
/// transform.
///
/// It keeps what was written, which goes to the store and may be shown, apart from what that stands for, which stays in
/// memory. A plain value; equal when both are.
class FreeText {
 public:
  FreeText() : FreeText(std::string()) {}
  /// Stands for that very text: nothing in it is filled in.
  FreeText(std::string text);                                  // NOLINT(google-explicit-constructor)
  FreeText(const char* text) : FreeText(std::string(text)) {}  // NOLINT(google-explicit-constructor)
  /// As configs and the store write it: `${NAME}` is a variable, `$${` stands for `${`. Throws Error(bad_config) for
  /// what is neither.
  static FreeText written(std::string text);

  /// Throws Error(bad_config) for a variable that is not set.
  void fill_in(const Variables& variables);

  const std::string& as_written() const { return written_; }
  /// Whether what it stands for is known: it holds no variable, or its variables were filled in.
  bool is_filled() const { return value_.has_value(); }
  /// What it stands for. Throws Error(bug) while that is not known.
  const std::string& value() const;

  /// What `read` makes of the value. An Error that it throws tells of the value only when no variable is in it.
  template <typename Read>
  auto read(Read read) const {
    const std::string& text = value();
    try {
      return read(text);
    } catch (const Error& error) {
      if (!holds_variable_) throw;
      throw without_value(error.kind());
    }
  }

  bool operator==(const FreeText&) const = default;

 private:
  Error without_value(ErrorKind kind) const;

  std::string written_;
  std::optional<std::string> value_;
  bool holds_variable_ = false;
};

}  // namespace syncflow
