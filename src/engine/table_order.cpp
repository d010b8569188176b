#include "engine/table_order.h"

#include <algorithm>

namespace syncflow {

std::vector<std::size_t> order_of_writing(const std::vector<TableMapping>& mappings,
                                          const std::vector<Reference>& references) {
  std::vector<bool> placed(mappings.size(), false);
  // A reference to the same table is a matter of its rows, not of the tables' order.
  const auto waits = [&](std::size_t i) {
    return std::any_of(references.begin(), references.end(), [&](const Reference& reference) {
      if (reference.from != mappings[i].destination || reference.to == reference.from) return false;
      for (std::size_t j = 0; j < mappings.size(); ++j)
        if (!placed[j] && mappings[j].destination == reference.to) return true;
      return false;
    });
  };
  std::vector<std::size_t> order;
  const auto place = [&](std::size_t i) {
    placed[i] = true;
    order.push_back(i);
  };
  while (order.size() < mappings.size()) {
    const std::size_t before = order.size();
    for (std::size_t i = 0; i < mappings.size(); ++i) {
      if (placed[i] || waits(i)) continue;
      place(i);
      break;  // what came before it in the list may follow now
    }
    if (order.size() > before) continue;
    for (std::size_t i = 0; i < mappings.size(); ++i)
      if (!placed[i]) place(i);
  }
  return order;
}

}  // namespace syncflow
