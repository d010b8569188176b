#include "engine/filter.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "engine/literal.h"

namespace syncflow {
namespace {

Truth truth(bool value) { return value ? Truth::yes : Truth::no; }

Truth negated(Truth value) {
  if (value == Truth::yes) return Truth::no;
  if (value == Truth::no) return Truth::yes;
  return value;
}

bool is_like(Operator op) {
  return op == Operator::like || op == Operator::nlike || op == Operator::ilike || op == Operator::nilike;
}
bool is_ordering(Operator op) {
  return op == Operator::gt || op == Operator::gte || op == Operator::lt || op == Operator::lte;
}
bool takes_no_value(Operator op) { return op == Operator::is_null || op == Operator::is_not_null; }

bool is_text_like(Type type) {
  return type == Type::text || type == Type::uuid || type == Type::json || type == Type::array ||
         type == Type::native;
}

[[noreturn]] void fail(const Filter& filter, const std::string& what) {
  throw Error(ErrorKind::bad_config, fmt::format("filter {} {}: {}", filter.field, name_of(filter.op), what));
}

/// What the type lets one ask; empty: the operator is fine.
std::string why_not(Operator op, Type type) {
  if (takes_no_value(op)) return "";
  if (is_like(op))
    return is_text_like(type) ? ""
                              : fmt::format("the field is {}, and patterns are for text", with_article(type));
  if (type == Type::json || type == Type::array)
    return fmt::format("the field is {}; it takes like, is_null and their opposites", with_article(type));
  if (type == Type::native && is_ordering(op))
    return "only the source itself knows the order of this type's values";
  return "";
}

/// -0 and 0 are the same number to a filter, as in SQL.
Value plain(const Value& value) {
  return value.type() == Type::float64 && value.as_double() == 0 ? Value::of(0.0) : value;
}

std::optional<std::strong_ordering> order_of(const Value& a, const Value& b) {
  if (a.type() != b.type() && !(is_number(a.type()) && is_number(b.type()))) return std::nullopt;
  return compare(plain(a), plain(b));
}

Value number(std::string_view text, Type type, Arena& arena) {
  if (type == Type::float64) return literal(type, text, arena);
  // Whatever size the number has: a value beyond the field's range is a fair question.
  for (const Type exact : {Type::int64, Type::uint64, Type::decimal})
    if (const auto value = read_literal(exact, text, arena)) return *value;
  return literal(type, text, arena);
}

}  // namespace

std::string_view name_of(Operator op) {
  switch (op) {
    case Operator::eq: return "eq";
    case Operator::neq: return "neq";
    case Operator::gt: return "gt";
    case Operator::gte: return "gte";
    case Operator::lt: return "lt";
    case Operator::lte: return "lte";
    case Operator::in: return "in";
    case Operator::nin: return "nin";
    case Operator::like: return "like";
    case Operator::nlike: return "nlike";
    case Operator::ilike: return "ilike";
    case Operator::nilike: return "nilike";
    case Operator::is: return "is";
    case Operator::is_not: return "is_not";
    case Operator::is_null: return "is_null";
    case Operator::is_not_null: return "is_not_null";
  }
  return "unknown";
}

void check_filter(const Filter& filter) {
  const bool list = filter.op == Operator::in || filter.op == Operator::nin;
  const std::size_t count = filter.values.size() + (filter.null_value ? 1 : 0);
  if (takes_no_value(filter.op) && count > 0) fail(filter, "it takes no value");
  if (list && count == 0) fail(filter, "it needs a list of values");
  if (!list && !takes_no_value(filter.op) && count != 1) fail(filter, "it needs one value");
  if (!is_like(filter.op)) return;
  try {
    for (const FreeText& value : filter.values)
      if (value.is_filled())
        value.read([](const std::string& text) { return LikePattern(text, LikePattern::Case::exact); });
  } catch (const Error& error) {
    fail(filter, error.what());
  }
}

Condition::Condition(const Filter& filter, const Schema& source)
    : filter_(filter), arena_(std::make_shared<Arena>()) {
  check_filter(filter_);
  try {
    index_ = source.at(filter_.field);
  } catch (const Error& error) {
    fail(filter_, error.what());
  }
  const Field& field = source.fields[index_];
  if (const std::string why = why_not(filter_.op, field.type); !why.empty()) fail(filter_, why);
  read_values(field);
}

void Condition::read_values(const Field& field) {
  const bool folds = filter_.op == Operator::ilike || filter_.op == Operator::nilike;
  for (const FreeText& value : filter_.values) {
    if (is_like(filter_.op)) {
      pattern_.emplace_back(value.value(), folds ? LikePattern::Case::folded : LikePattern::Case::exact);
      continue;
    }
    try {
      values_.push_back(value.read([&](const std::string& text) {
        return is_number(field.type) ? number(text, field.type, *arena_) : literal(field.type, text, *arena_);
      }));
    } catch (const Error& error) {
      fail(filter_, error.what());
    }
  }
}

Truth Condition::judge(const Value& cell) const {
  if (cell.is_absent()) return Truth::not_decided;
  switch (filter_.op) {
    case Operator::is_null: return truth(cell.is_null());
    case Operator::is_not_null: return truth(!cell.is_null());
    case Operator::is: return is(cell);
    case Operator::is_not: return negated(is(cell));
    default: break;
  }
  if (cell.is_null()) return Truth::unknown;
  switch (filter_.op) {
    case Operator::eq:
    case Operator::in: return equals_any(cell);
    case Operator::neq:
    case Operator::nin: return negated(equals_any(cell));
    case Operator::like:
    case Operator::ilike: return fits(cell);
    case Operator::nlike:
    case Operator::nilike: return negated(fits(cell));
    default: return compares(cell);
  }
}

Truth Condition::equals_any(const Value& cell) const {
  for (const Value& value : values_)
    if (order_of(cell, value) == std::strong_ordering::equal) return Truth::yes;
  return filter_.null_value ? Truth::unknown : Truth::no;
}

Truth Condition::is(const Value& cell) const {
  if (filter_.null_value || cell.is_null()) return truth(filter_.null_value && cell.is_null());
  return truth(order_of(cell, values_.front()) == std::strong_ordering::equal);
}

Truth Condition::compares(const Value& cell) const {
  if (filter_.null_value) return Truth::unknown;
  const auto order = order_of(cell, values_.front());
  if (!order) return Truth::not_decided;
  switch (filter_.op) {
    case Operator::gt: return truth(*order > 0);
    case Operator::gte: return truth(*order >= 0);
    case Operator::lt: return truth(*order < 0);
    default: return truth(*order <= 0);
  }
}

Truth Condition::fits(const Value& cell) const {
  if (filter_.null_value) return Truth::unknown;
  if (cell.type() == Type::uuid) return truth(pattern_.front().matches(to_text(cell)));
  if (!cell.is_textual()) return Truth::not_decided;
  return truth(pattern_.front().matches(cell.view()));
}

RowFilter::RowFilter(const std::vector<Filter>& filters, const Schema& source) {
  for (const Filter& filter : filters) conditions_.emplace_back(filter, source);
}

RowFilter::Verdict RowFilter::judge(std::span<const Value> row) const {
  const Condition* undecided = nullptr;
  for (const Condition& condition : conditions_) {
    const Truth truth = condition.judge(row[condition.index()]);
    if (truth == Truth::no || truth == Truth::unknown) return {false, std::nullopt};
    if (truth == Truth::not_decided) undecided = &condition;
  }
  if (!undecided) return {true, std::nullopt};
  const Value& cell = row[undecided->index()];
  return {false, Refusal{undecided->field(),
                         cell.is_absent() ? "the source did not send this field, which a filter asks for"
                                          : fmt::format("a filter compares this field, and \"{}\" has no "
                                                        "place in that order",
                                                        shortened(to_text(cell)))}};
}

}  // namespace syncflow
