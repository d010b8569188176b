#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/definition.h"

namespace syncflow {

/// How configs and JSON write the enumerators.
template <typename Enum>
using Words = std::vector<std::pair<std::string, Enum>>;

inline const Words<SyncStatus> kStatuses = {
    {"draft", SyncStatus::draft}, {"active", SyncStatus::active}, {"paused", SyncStatus::paused}};
inline const Words<WantedStrategy> kStrategies = {{"auto", WantedStrategy::automatic},
                                                  {"cursor", WantedStrategy::cursor},
                                                  {"feed", WantedStrategy::feed},
                                                  {"diff", WantedStrategy::diff}};
inline const Words<Deletes> kDeletes = {
    {"ignore", Deletes::ignore}, {"soft", Deletes::soft}, {"hard", Deletes::hard}};
inline const Words<Existing> kExistings = {
    {"adopt", Existing::adopt}, {"replace", Existing::replace}, {"refuse", Existing::refuse}};
inline const Words<OnLeave> kOnLeaves = {{"delete", OnLeave::remove}, {"keep", OnLeave::keep}};
inline const Words<RetryPolicy::Backoff> kBackoffs = {{"exponential", RetryPolicy::Backoff::exponential},
                                                      {"linear", RetryPolicy::Backoff::linear},
                                                      {"constant", RetryPolicy::Backoff::constant}};

/// Throws std::out_of_range for an enumerator without a word, which is our mistake.
template <typename Enum>
const std::string& word(const Words<Enum>& words, Enum value) {
  std::size_t at = 0;
  while (at < words.size() && words[at].second != value) ++at;
  return words.at(at).first;
}

}  // namespace syncflow
