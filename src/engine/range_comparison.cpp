#include "engine/range_comparison.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <future>
#include <map>

namespace syncflow {
namespace {

constexpr auto kBetweenLooks = std::chrono::milliseconds(200);
/// Of the rows of the larger side, about so many to a range.
constexpr std::int64_t kRowsPerRange = 64;
/// So many ranges fit into the memory that a server gives to one sum of groups.
constexpr int kMostBits = 14;
/// Where a larger part of the rows lies in unequal ranges than one of these, all are read in their order.
constexpr std::int64_t kParts = 8;

struct BothHashes {
  std::vector<RangeHash> source, destination;
};

/// Both servers work at once; what is thrown while they do waits for them.
BothHashes hash_both(const HashedSide& source, const HashedSide& destination, int bits,
                     const std::function<void()>& on_wait) {
  const auto hash = [bits](const HashedSide& side) {
    return side.source.range_hashes()->hash(side.fields, bits);
  };
  auto here = std::async(std::launch::async, hash, std::cref(source));
  auto there = std::async(std::launch::async, hash, std::cref(destination));
  for (const auto* side : {&here, &there})
    while (side->wait_for(kBetweenLooks) != std::future_status::ready) on_wait();
  BothHashes both;
  both.source = here.get();
  both.destination = there.get();
  return both;
}

std::int64_t rows_of(const std::vector<RangeHash>& ranges) {
  std::int64_t rows = 0;
  for (const RangeHash& range : ranges) rows += range.rows;
  return rows;
}

RangeDifferences differences(const BothHashes& both, int bits) {
  std::map<int, std::array<const RangeHash*, 2>> ranges;
  for (const RangeHash& range : both.source) ranges[range.number][0] = &range;
  for (const RangeHash& range : both.destination) ranges[range.number][1] = &range;
  RangeDifferences found;
  found.unequal.bits = bits;
  for (const auto& range : ranges) {
    const auto [here, there] = range.second;
    if (here && there && *here == *there) {
      found.at_source += here->rows;
      found.at_destination += there->rows;
    } else {
      found.unequal.numbers.push_back(range.first);
    }
  }
  return found;
}

int bits_for(std::int64_t rows) {
  int bits = 0;
  while (bits < kMostBits && (rows >> bits) > kRowsPerRange) ++bits;
  return bits;
}

bool is_large_part(std::int64_t part, std::int64_t rows) { return part * kParts > rows; }

}  // namespace

std::vector<std::string> fields_passed_on(const TableMapping& mapping, const Schema& outgoing) {
  std::vector<std::string> names;
  if (!mapping.filters.empty()) return names;
  if (mapping.fields.empty()) {
    for (const Field& field : outgoing.fields) names.push_back(field.name);
    return names;
  }
  for (const FieldMapping& field : mapping.fields) {
    if (field.constant || !field.transform.empty() || field.from.size() != 1) return {};
    names.push_back(field.from.front());
  }
  return names;
}

std::optional<RangeDifferences> compare_ranges(const HashedSide& source, const HashedSide& destination,
                                               const std::function<void()>& on_wait) {
  RangeHashes* here = source.source.range_hashes();
  RangeHashes* there = destination.source.range_hashes();
  if (!here || !there) return std::nullopt;
  const std::string form = here->form(source.fields);
  if (form.empty() || form != there->form(destination.fields)) return std::nullopt;

  const BothHashes all = hash_both(source, destination, 0, on_wait);
  const std::int64_t rows_here = rows_of(all.source), rows_there = rows_of(all.destination);
  const std::int64_t rows = std::max(rows_here, rows_there);
  const RangeDifferences whole = differences(all, 0);
  const int bits = bits_for(rows);
  if (whole.is_equal() || bits == 0 || is_large_part(std::abs(rows_here - rows_there), rows)) return whole;

  const BothHashes parts = hash_both(source, destination, bits, on_wait);
  RangeDifferences found = differences(parts, bits);
  const std::int64_t read = rows_of(parts.source) - found.at_source;
  const std::int64_t read_there = rows_of(parts.destination) - found.at_destination;
  if (is_large_part(std::max(read, read_there), rows)) return whole;
  return found;
}

}  // namespace syncflow
