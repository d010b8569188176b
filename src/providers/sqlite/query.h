#pragma once

#include <string>
#include <utility>
#include <vector>

#include "drivers/sqlite/database.h"
#include "providers/sqlite/codec.h"

namespace syncflow::sqlite {

/// A piece of SQL with `?` for each of its values. Bytes of the values are kept here.
class Sql {
 public:
  Sql() = default;
  explicit Sql(std::string text) : text_(std::move(text)) {}

  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }

  Sql& add(std::string_view text) {
    text_ += text;
    return *this;
  }
  Sql& add(std::string_view text, const Stored& value) {
    text_ += text;
    values_.push_back(value);
    values_.back().bytes = arena_.copy(value.bytes);
    return *this;
  }
  Sql& add(const Sql& other) {
    text_ += other.text_;
    for (const Stored& value : other.values_) add("", value);
    return *this;
  }
  /// Begins one more condition of a WHERE clause.
  Sql& also() { return add(text_.empty() ? " WHERE " : " AND "); }

  /// Ready to run; this must outlive it.
  Statement prepare(Database& database) const& {
    Statement statement = database.prepare(text_);
    for (std::size_t i = 0; i < values_.size(); ++i) bind(statement, static_cast<int>(i) + 1, values_[i]);
    return statement;
  }
  Statement prepare(Database& database) const&& = delete;

 private:
  std::string text_;
  std::vector<Stored> values_;
  Arena arena_;
};

}  // namespace syncflow::sqlite
