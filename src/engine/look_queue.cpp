#include "engine/look_queue.h"

#include <algorithm>
#include <utility>

namespace syncflow {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLongestLine = 256;
/// A look that takes longer makes its line a slow one.
constexpr Duration kSlow = 1s;

}  // namespace

LookQueue::LookQueue(int hands) : hands_(std::max(1, hands)) {}

LookQueue::Offered LookQueue::offer(Sync sync, Time now) {
  if (!known_.insert(sync.id).second) return Offered::known;
  Line& line = lines_[sync.source];
  if (line.in_trouble() && (now < line.until || line.looking > 0 || !line.waiting.empty()))
    return Offered::in_trouble;
  if (line.waiting.size() >= kLongestLine) return Offered::full;
  line.waiting.push_back(std::move(sync));
  ++waiting_;
  return Offered::queued;
}

/// Slow lines share half of the hands, each has one; a quick one never takes all.
bool LookQueue::has_turn(const Line& line) const {
  if (line.waiting.empty()) return false;
  if (line.takes_its_time()) return line.looking == 0 && slow_hands_ < std::max(1, hands_ / 2);
  return line.looking < std::max(1, hands_ * 3 / 4);
}

std::optional<Sync> LookQueue::take() {
  const auto after = lines_.upper_bound(last_);
  const auto turn = [&](const auto& entry) { return has_turn(entry.second); };
  auto found = std::find_if(after, lines_.end(), turn);
  if (found == lines_.end()) found = std::find_if(lines_.begin(), after, turn);
  if (found == lines_.end() || !turn(*found)) return std::nullopt;
  Line& line = found->second;
  Sync sync = std::move(line.waiting.front());
  line.waiting.pop_front();
  --waiting_;
  ++line.looking;
  ++looking_;
  last_ = found->first;
  count_slow_hands();
  return sync;
}

void LookQueue::ended(const std::string& connection, Duration took) {
  const auto found = lines_.find(connection);
  Line& line = found->second;
  --line.looking;
  --looking_;
  line.slow = took >= kSlow;
  count_slow_hands();
  tidy(found);
}

int LookQueue::failed(const std::string& connection, Time began, Time now) {
  Line& line = lines_[connection];
  if (line.in_trouble() && began <= line.failed_at) return line.failures;
  line.failed_at = now;
  return ++line.failures;
}

std::vector<Sync> LookQueue::leave_alone(const std::string& connection, Time until) {
  Line& line = lines_[connection];
  line.until = std::max(line.until, until);
  std::vector<Sync> waited(std::make_move_iterator(line.waiting.begin()),
                           std::make_move_iterator(line.waiting.end()));
  line.waiting.clear();
  waiting_ -= waited.size();
  count_slow_hands();
  return waited;
}

void LookQueue::works(const std::string& connection) {
  const auto found = lines_.find(connection);
  if (found == lines_.end()) return;
  found->second.failures = 0;
  count_slow_hands();
  tidy(found);
}

Time LookQueue::trouble_until(const std::string& connection) const {
  const auto found = lines_.find(connection);
  return found == lines_.end() ? Time{} : found->second.until;
}

void LookQueue::count_slow_hands() {
  slow_hands_ = 0;
  for (const auto& [connection, line] : lines_)
    if (line.takes_its_time()) slow_hands_ += line.looking;
}

void LookQueue::tidy(std::map<std::string, Line>::iterator line) {
  const Line& it = line->second;
  if (it.waiting.empty() && it.looking == 0 && !it.takes_its_time()) lines_.erase(line);
}

}  // namespace syncflow
