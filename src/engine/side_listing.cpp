#include "engine/side_listing.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "engine/cast.h"

namespace syncflow {
namespace {

/// Whether values of one type, cast to the other, keep their order.
bool sorts_alike(Type a, Type b) { return a == b || (is_number(a) && is_number(b)); }

}  // namespace

std::vector<Type> key_types(const Schema& schema) {
  std::vector<Type> types;
  for (const std::size_t index : schema.key) types.push_back(schema.fields[index].type);
  return types;
}

bool sort_alike(const std::vector<Type>& a, const std::vector<Type>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), sorts_alike);
}

bool comparable_keys(Type at_destination, Type outgoing) {
  if (sorts_alike(at_destination, outgoing)) return true;
  const auto is_truth = [](Type type) { return type == Type::boolean; };
  if ((is_truth(at_destination) && is_number(outgoing)) || (is_truth(outgoing) && is_number(at_destination)))
    return can_cast(at_destination, outgoing);
  // What stands in another zone, or in none, would be another instant.
  const bool by_text = at_destination == Type::text || outgoing == Type::text ||
                       at_destination == Type::bytes || outgoing == Type::bytes;
  return by_text && can_cast(at_destination, outgoing);
}

void check_comparable(const TableMapping& mapping, const Schema& destination, const Schema& outgoing) {
  const std::vector<Type> there = key_types(destination), ours = key_types(outgoing);
  for (std::size_t i = 0; i < ours.size(); ++i)
    if (!comparable_keys(there[i], ours[i]))
      throw Error(
          ErrorKind::bad_config,
          fmt::format("the rows of {} and {} cannot be compared: the key field {} is a {} there, and the "
                      "source's a {}; use deletes: ignore, or a key of one type",
                      mapping.source, mapping.destination, outgoing.fields[outgoing.key[i]].name,
                      name_of(there[i]), name_of(ours[i])));
}

std::unique_ptr<KeyStream> sorted(KeyStream& keys, KeySorter& sorter) {
  while (const ListedKey* key = keys.next()) sorter.add(*key);
  return sorter.sorted();
}

}  // namespace syncflow
