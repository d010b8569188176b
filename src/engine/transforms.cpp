#include "engine/transforms.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/text.h"
#include "engine/literal.h"
#include "engine/sha256.h"
#include "engine/unicode.h"

namespace syncflow {
namespace {

using Cells = std::span<const Value>;
using Run = std::function<Cell(Cells, Arena&)>;

/// What a transform is made from.
struct Recipe {
  const std::map<std::string, FreeText>& params;
  std::vector<Field> from;
  Arena& literals;  ///< lives as long as the transform

  const FreeText& param(const std::string& name) const { return params.at(name); }
  const Field& field() const { return from.front(); }
};

/// What it is made into.
struct Made {
  Field field;
  Run run;
};

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorKind::bad_config, what); }

/// The same values, so the same type; not what the source's DDL calls it.
Field without_native(Field field) {
  field.native.clear();
  return field;
}

Field text_field(bool nullable, std::optional<std::size_t> length = std::nullopt) {
  Field field;
  field.type = Type::text;
  field.nullable = nullable;
  field.length = length;
  return field;
}

bool all_nullable(const std::vector<Field>& fields) {
  return std::all_of(fields.begin(), fields.end(), [](const Field& field) { return field.nullable; });
}

Value new_text(std::string_view text, Arena& arena) { return Value::text(arena.copy(text)); }

Cell not_sent() { return Cell::refused("the source did not send every field that goes into it"); }

/// A transform of one cell: what is null or absent stays so.
template <typename Change>
Run each(Change change) {
  return [change](Cells cells, Arena& arena) {
    const Value& cell = cells.front();
    return cell.is_null() || cell.is_absent() ? Cell::of(cell) : change(cell, arena);
  };
}

/// The same for text alone; the type of a field does not say that of each cell ('native').
template <typename Change>
Run each_text(Change change) {
  return each([change](const Value& cell, Arena& arena) {
    if (cell.type() != Type::text)
      return Cell::refused(
          fmt::format("\"{}\" is no text but {}", shortened(to_text(cell)), name_of(cell.type())));
    return Cell::of(change(cell.view(), arena));
  });
}

void need_text(const Recipe& recipe) {
  if (recipe.field().type == Type::text) return;
  fail(fmt::format("{} is {}, and it takes text", recipe.field().name, with_article(recipe.field().type)));
}

long whole_param(const Recipe& recipe, const std::string& name, long least, long most) {
  return recipe.param(name).read([&](const std::string& text) {
    long number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc() || end != text.data() + text.size() || number < least || number > most)
      fail(fmt::format("{} is \"{}\"; it must be a whole number from {} to {}", name, shortened(text), least,
                       most));
    return number;
  });
}

std::string text_param(const Recipe& recipe, const std::string& name) {
  const std::string& text = recipe.param(name).value();
  if (text.empty()) fail(fmt::format("{} is empty", name));
  return text;
}

// --- text ---

Made combine(const Recipe& recipe) {
  return {text_field(all_nullable(recipe.from)),
          [separator = recipe.param("separator").value()](Cells cells, Arena& arena) {
            std::string text;
            bool any = false;
            for (const Value& cell : cells) {
              if (cell.is_absent()) return not_sent();
              if (cell.is_null()) continue;
              if (any) text += separator;
              append_text(cell, text);
              any = true;
            }
            return Cell::of(any ? new_text(text, arena) : Value::null());
          }};
}

/// The part at `index`, from the end when negative; null when there is none.
Value part_of(std::string_view text, std::string_view separator, long index) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + separator.size());
  }
  const auto count = static_cast<long>(parts.size());
  const long at = index < 0 ? count + index : index;
  return at < 0 || at >= count ? Value::null() : Value::text(parts[static_cast<std::size_t>(at)]);
}

Made split(const Recipe& recipe) {
  need_text(recipe);
  const long index = whole_param(recipe, "index", -1'000'000, 1'000'000);
  return {text_field(true, recipe.field().length),
          each_text([separator = text_param(recipe, "separator"), index](std::string_view text, Arena&) {
            return part_of(text, separator, index);
          })};
}

Made replace(const Recipe& recipe) {
  need_text(recipe);
  const auto change = [search = text_param(recipe, "search"), with = recipe.param("with").value()](
                          std::string_view text, Arena& arena) {
    auto found = text.find(search);
    if (found == std::string_view::npos) return Value::text(text);
    std::string out;
    for (; found != std::string_view::npos; found = text.find(search)) {
      out += text.substr(0, found);
      out += with;
      text.remove_prefix(found + search.size());
    }
    out += text;
    return new_text(out, arena);
  };
  return {text_field(recipe.field().nullable), each_text(change)};
}

Made uppercase(const Recipe& recipe) {
  need_text(recipe);
  return {without_native(recipe.field()),
          each_text([](std::string_view text, Arena& arena) { return new_text(to_upper(text), arena); })};
}

Made lowercase(const Recipe& recipe) {
  need_text(recipe);
  return {without_native(recipe.field()),
          each_text([](std::string_view text, Arena& arena) { return new_text(to_lower(text), arena); })};
}

Made trim(const Recipe& recipe) {
  need_text(recipe);
  return {without_native(recipe.field()),
          each_text([](std::string_view text, Arena&) { return Value::text(trimmed(text)); })};
}

Made to_iso_string(const Recipe& recipe) {
  const Type type = recipe.field().type;
  const bool time = type == Type::date || type == Type::timestamp || type == Type::timestamp_tz;
  if (!time && type != Type::text)
    fail(fmt::format("{} is {}, and it takes dates, timestamps and text", recipe.field().name,
                     with_article(type)));
  return {text_field(recipe.field().nullable), each([](const Value& cell, Arena& arena) {
            if (cell.type() == Type::native)
              return Cell::refused(fmt::format("\"{}\" is no point in time", shortened(to_text(cell))));
            if (cell.type() != Type::text) return cast(cell, Type::text, arena);
            for (const Type wanted : {Type::date, Type::timestamp, Type::timestamp_tz})
              if (const auto read = read_literal(wanted, cell.view(), arena))
                return cast(*read, Type::text, arena);
            return Cell::refused(fmt::format("\"{}\" is no date or timestamp", shortened(cell.view())));
          })};
}

Made hash(const Recipe& recipe) {
  recipe.param("algorithm").read([](const std::string& text) {
    if (text != "sha256") fail(fmt::format("algorithm is \"{}\"; it must be sha256", shortened(text)));
  });
  return {text_field(recipe.field().nullable, 64), each([](const Value& cell, Arena& arena) {
            const bool raw = cell.type() == Type::text || cell.type() == Type::bytes;
            return Cell::of(new_text(raw ? sha256_hex(cell.view()) : sha256_hex(to_text(cell)), arena));
          })};
}

// --- types and nulls ---

Made cast_to(const Recipe& recipe) {
  const Type to = recipe.param("to").read(type_named);
  const Field& from = recipe.field();
  if (!can_cast(from.type, to))
    fail(fmt::format("{} is {}, which cannot become {}", from.name, with_article(from.type),
                     with_article(to)));
  return {cast_field(from, to),
          each([to](const Value& cell, Arena& arena) { return cast(cell, to, arena); })};
}

/// The limits that hold the values of both. Their types are the same.
Field widened(const Field& a, const Field& b) {
  if (a == b) return a;
  const auto larger = [](auto left, auto right) {
    return left && right ? std::max(left, right) : decltype(left)();
  };
  Field field = without_native(a);
  field.length = larger(a.length, b.length);
  field.precision = larger(a.precision, b.precision);
  field.scale = larger(a.scale, b.scale);
  if (field.type == Type::decimal && field.precision && field.scale)
    field.precision = *field.scale + std::max(*a.precision - *a.scale, *b.precision - *b.scale);
  return field;
}

/// The limits that one value needs.
Field field_of(const Value& value) {
  Field field;
  field.type = value.type();
  const std::string text = to_text(value);
  if (value.type() == Type::text) field.length = length_of(text);
  if (value.type() == Type::bytes) field.length = value.view().size();
  if (value.type() == Type::decimal) {
    const auto point = text.find('.');
    field.scale = point == std::string::npos ? 0 : static_cast<int>(text.size() - point - 1);
    field.precision = static_cast<int>(
        std::count_if(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }));
  }
  if (value.type() == Type::time || value.type() == Type::timestamp || value.type() == Type::timestamp_tz) {
    const auto point = text.find('.');
    field.precision =
        point == std::string::npos
            ? 0
            : static_cast<int>(text.find_first_not_of("0123456789", point + 1) == std::string::npos
                                   ? text.size() - point - 1
                                   : text.find_first_not_of("0123456789", point + 1) - point - 1);
  }
  return field;
}

Made default_value(const Recipe& recipe) {
  const Field& from = recipe.field();
  if (from.type == Type::native) fail(fmt::format("{} is of a type that only its source knows", from.name));
  const Value value = recipe.param("value").read(
      [&](const std::string& text) { return literal(from.type, text, recipe.literals); });
  Field field = without_native(widened(from, field_of(value)));
  field.nullable = false;
  return {field,
          [value](Cells cells, Arena&) { return Cell::of(cells.front().is_null() ? value : cells.front()); }};
}

/// What a field says about its values alone, as `to`.
Field limits_as(const Field& from, Type to) {
  Field field = from.type == to ? from : cast_field(from, to);
  field.name.clear();
  field.id.clear();
  field.nullable = true;
  field.generated = false;
  return field;
}

/// The type that takes the values of all unchanged.
Type common_type(const std::vector<Field>& fields) {
  const auto exact = [](Type type) {
    return type == Type::int64 || type == Type::uint64 || type == Type::decimal;
  };
  const Field& first = fields.front();
  Type type = first.type;
  for (const Field& field : fields) {
    if (field.type == type) continue;
    if (!exact(type) || !exact(field.type))
      fail(fmt::format("{} is {} and {} is {}; they must be of one type", first.name,
                       with_article(first.type), field.name, with_article(field.type)));
    type = Type::decimal;
  }
  return type;
}

Made coalesce(const Recipe& recipe) {
  const Type to = common_type(recipe.from);
  Field field = limits_as(recipe.field(), to);
  for (const Field& other : recipe.from) field = widened(field, limits_as(other, to));
  if (to == Type::native && field.native.empty())
    fail(fmt::format("the types of {} and the others are only known to their source, and differ",
                     recipe.field().name));
  field.nullable = all_nullable(recipe.from);
  return {field, [to](Cells cells, Arena& arena) {
            for (const Value& cell : cells) {
              if (cell.is_absent()) return not_sent();
              if (!cell.is_null())
                return cell.type() == Type::native ? Cell::of(cell) : cast(cell, to, arena);
            }
            return Cell::of(Value::null());
          }};
}

// --- numbers ---

Cell round_number(const Value& cell, int digits, Arena& arena) {
  switch (cell.type()) {
    case Type::decimal: return Cell::of(Value::decimal(arena.copy(round_decimal(cell.view(), digits))));
    case Type::float64: {
      const auto decimal = plain_decimal(to_text(cell));
      if (!decimal) return Cell::of(cell);  // NaN and infinities have no digits
      const auto rounded = read_literal(Type::float64, round_decimal(*decimal, digits), arena);
      return rounded ? Cell::of(*rounded)
                     : Cell::refused(fmt::format("\"{}\" rounds beyond float64", to_text(cell)));
    }
    case Type::int64:
    case Type::uint64: {
      if (digits >= 0) return Cell::of(cell);
      const auto rounded = read_literal(cell.type(), round_decimal(to_text(cell), digits), arena);
      if (rounded) return Cell::of(*rounded);
      return Cell::refused(fmt::format("{} rounds beyond {}", to_text(cell), name_of(cell.type())));
    }
    default: return Cell::refused(fmt::format("\"{}\" is no number", shortened(to_text(cell))));
  }
}

Made round(const Recipe& recipe) {
  const Field& from = recipe.field();
  const bool number = from.type == Type::decimal || from.type == Type::float64 || from.type == Type::int64 ||
                      from.type == Type::uint64;
  if (!number) fail(fmt::format("{} is {}, and it takes numbers", from.name, with_article(from.type)));
  const auto digits = static_cast<int>(whole_param(recipe, "digits", -1000, 1000));
  Field field = without_native(from);
  if (field.type == Type::decimal && field.precision && field.scale && digits < *field.scale) {
    // 9.99 becomes 10.0: one digit less after the point, perhaps one more before it.
    const int whole = *field.precision - *field.scale;
    field.scale = std::max(digits, 0);
    field.precision = std::max(whole, -digits) + 1 + *field.scale;
  }
  return {field,
          each([digits](const Value& cell, Arena& arena) { return round_number(cell, digits, arena); })};
}

// --- the list ---

struct Kind {
  const char* name;
  bool several;  ///< takes several fields
  std::vector<std::string> params;
  Made (*make)(const Recipe&);
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"combine", true, {"separator"}, combine},
      {"split", false, {"separator", "index"}, split},
      {"replace", false, {"search", "with"}, replace},
      {"uppercase", false, {}, uppercase},
      {"lowercase", false, {}, lowercase},
      {"trim", false, {}, trim},
      {"toISOString", false, {}, to_iso_string},
      {"hash", false, {"algorithm"}, hash},
      {"cast", false, {"to"}, cast_to},
      {"default", false, {"value"}, default_value},
      {"round", false, {"digits"}, round},
      {"coalesce", true, {}, coalesce},
  };
  return all;
}

std::string suggestion(const std::string& name, const std::vector<std::string>& names,
                       std::string_view otherwise) {
  const std::string near = nearest(name, names);
  if (!near.empty()) return "; did you mean \"" + near + "\"?";
  return names.empty() ? "" : fmt::format("; {} {}", otherwise, join(names, ", "));
}

const Kind& kind_of(const std::string& name) {
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) {
    if (name == kind.name) return kind;
    names.emplace_back(kind.name);
  }
  fail(fmt::format("unknown transform \"{}\"{}", shortened(name), suggestion(name, names, "there are")));
}

void check_params(const Kind& kind, const std::map<std::string, FreeText>& params) {
  for (const auto& [name, value] : params)
    if (std::find(kind.params.begin(), kind.params.end(), name) == kind.params.end())
      fail(fmt::format("transform {} has no param \"{}\"{}", kind.name, shortened(name),
                       kind.params.empty() ? "; it takes none" : suggestion(name, kind.params, "it takes")));
  for (const std::string& name : kind.params)
    if (!params.contains(name)) fail(fmt::format("transform {} needs the param {}", kind.name, name));
}

/// A constant is text; `cast` makes another type of it.
Made constant(const FieldMapping& mapping, Arena& literals) {
  Value value = Value::text(literals.copy(mapping.constant->value()));
  if (!mapping.transform.empty()) {
    const Type to = mapping.params.at("to").read(type_named);
    value = mapping.constant->read([&](const std::string& text) { return literal(to, text, literals); });
  }
  Field field = field_of(value);
  field.nullable = false;
  return {field, [value](Cells, Arena&) { return Cell::of(value); }};
}

Made make(const FieldMapping& mapping, const Recipe& recipe) {
  if (mapping.constant) return constant(mapping, recipe.literals);
  if (!mapping.transform.empty()) return kind_of(mapping.transform).make(recipe);
  return {recipe.field(), [](Cells cells, Arena&) { return Cell::of(cells.front()); }};
}

}  // namespace

void check_transform(const FieldMapping& mapping) {
  if (mapping.constant) {
    if (!mapping.from.empty()) fail("it has both from and constant; it can have one of them");
    if (!mapping.transform.empty() && mapping.transform != "cast")
      fail(fmt::format("transform {} does nothing for a constant; cast is the only one that does",
                       mapping.transform));
  } else if (mapping.from.empty()) {
    fail("it needs from, the source field that it is filled by, or constant");
  }
  if (mapping.transform.empty()) {
    if (mapping.from.size() > 1) fail("it comes from several fields; only combine and coalesce take several");
    if (!mapping.params.empty()) fail("it has params, but no transform that would read them");
    return;
  }
  const Kind& kind = kind_of(mapping.transform);
  check_params(kind, mapping.params);
  if (!kind.several && mapping.from.size() > 1)
    fail(fmt::format("transform {} takes one field; only combine and coalesce take several", kind.name));
}

std::size_t key_carrier(const std::string& key, const std::vector<FieldMapping>& fields) {
  std::optional<std::size_t> best;
  const FieldMapping* changed = nullptr;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (std::find(fields[i].from.begin(), fields[i].from.end(), key) == fields[i].from.end()) continue;
    if (!fields[i].transform.empty() && fields[i].transform != "cast") changed = &fields[i];
    else if (!best || (fields[i].transform.empty() && !fields[*best].transform.empty())) best = i;
  }
  if (best) return *best;
  if (!changed) fail(fmt::format("{} is in the key and not mapped; add it under fields", key));
  fail(fmt::format(
      "{} is in the key and only goes into {} by way of {}; a key may be renamed or cast, so that no two "
      "rows become one",
      key, changed->to, changed->transform));
}

Transform::Transform(const FieldMapping& mapping, const Schema& source)
    : literals_(std::make_shared<Arena>()) {
  const std::string where = mapping.transform.empty()
                                ? "field " + mapping.to
                                : fmt::format("field {}: {}", mapping.to, mapping.transform);
  try {
    check_transform(mapping);
    Recipe recipe{mapping.params, {}, *literals_};
    for (const std::string& name : mapping.from) {
      from_.push_back(source.at(name));
      recipe.from.push_back(source.fields[from_.back()]);
    }
    Made made = make(mapping, recipe);
    outgoing_ = std::move(made.field);
    run_ = std::move(made.run);
  } catch (const Error& error) {
    throw error.while_doing(where);
  }
  outgoing_.name = mapping.to;
  outgoing_.id.clear();
  outgoing_.generated = false;
  cells_.resize(from_.size());
}

Cell Transform::apply(std::span<const Value> row, Arena& arena) const {
  for (std::size_t i = 0; i < from_.size(); ++i) cells_[i] = row[from_[i]];
  return run_(cells_, arena);
}

}  // namespace syncflow
