#include "testkit/memory_row.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

namespace syncflow::testkit {
namespace {

Value pointing(Type type, std::string_view bytes) {
  switch (type) {
    case Type::decimal: return Value::decimal(bytes);
    case Type::text: return Value::text(bytes);
    case Type::bytes: return Value::bytes(bytes);
    case Type::uuid: return Value::uuid(bytes);
    case Type::json: return Value::json(bytes);
    case Type::array: return Value::array(bytes);
    default: return Value::native(bytes);
  }
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::strong_ordering compare_without_case(std::string_view a, std::string_view b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const auto left = static_cast<unsigned char>(lower(a[i]));
    const auto right = static_cast<unsigned char>(lower(b[i]));
    if (left != right) return left <=> right;
  }
  return a.size() <=> b.size();
}

std::strong_ordering collate_keys(const RowPointer& row, const std::vector<std::size_t>& key,
                                  std::span<const Value> cells) {
  for (std::size_t i = 0; i < key.size() && i < cells.size(); ++i)
    if (const auto order = collate(row->cells()[key[i]], cells[i]); order != 0) return order;
  return std::strong_ordering::equal;
}

}  // namespace

StoredRow::StoredRow(std::span<const Value> cells) : cells_(cells.begin(), cells.end()) {
  std::size_t size = 0;
  for (const Value& cell : cells_) size += cell.size_bytes();
  bytes_ = std::make_unique<char[]>(size + 1);
  char* next = bytes_.get();
  for (Value& cell : cells_) {
    if (!cell.is_textual()) continue;
    const std::string_view bytes = cell.view();
    std::memcpy(next, bytes.data(), bytes.size());
    cell = pointing(cell.type(), {next, bytes.size()});
    next += bytes.size();
  }
}

std::strong_ordering collate(const Value& a, const Value& b) {
  if (a.type() == Type::text && b.type() == Type::text)
    if (const auto order = compare_without_case(a.view(), b.view()); order != 0) return order;
  return compare(a, b);
}

std::strong_ordering collate(const std::vector<Value>& a, const std::vector<Value>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    if (const auto order = collate(a[i], b[i]); order != 0) return order;
  return a.size() <=> b.size();
}

std::vector<Value> cells_at(const StoredRow& row, const std::vector<std::size_t>& indexes) {
  std::vector<Value> cells;
  for (const std::size_t index : indexes) cells.push_back(row.cells()[index]);
  return cells;
}

Key key_at(std::span<const Value> cells, const std::vector<std::size_t>& indexes) {
  Key key;
  for (const std::size_t index : indexes) key.parts.push_back(to_text(cells[index]));
  return key;
}

bool RowOrder::operator()(const RowPointer& a, const RowPointer& b) const {
  return collate_keys(a, key, cells_at(*b, key)) < 0;
}
bool RowOrder::operator()(const RowPointer& a, KeyCells b) const { return collate_keys(a, key, b) < 0; }
bool RowOrder::operator()(KeyCells a, const RowPointer& b) const { return collate_keys(b, key, a) > 0; }

}  // namespace syncflow::testkit
