#include "engine/table_spelling.h"

#include "engine/unicode.h"

namespace syncflow {
namespace {

bool ends_with_part(std::string_view name, std::string_view part) {
  return name.size() > part.size() && name.ends_with(part) && name[name.size() - part.size() - 1] == '.';
}

}  // namespace

TableSpelling::TableSpelling(std::string_view name) : plain_(to_lower(name)) {
  std::erase_if(plain_, [](char c) { return std::string_view("\"`[]").find(c) != std::string_view::npos; });
}

bool TableSpelling::may_be(const TableSpelling& other) const {
  return plain_ == other.plain_ || ends_with_part(plain_, other.plain_) ||
         ends_with_part(other.plain_, plain_);
}

std::string_view TableSpelling::last_part() const {
  return std::string_view(plain_).substr(plain_.rfind('.') + 1);
}

}  // namespace syncflow
