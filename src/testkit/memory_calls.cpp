#include "testkit/memory_calls.h"

#include <fmt/core.h>

namespace syncflow::testkit {

std::string_view name_of(Call call) {
  switch (call) {
    case Call::connect: return "connect";
    case Call::check: return "check";
    case Call::discover: return "discover";
    case Call::open_source: return "open_source";
    case Call::open_destination: return "open_destination";
    case Call::open: return "open";
    case Call::next: return "next";
    case Call::has_changes: return "has_changes";
    case Call::fetch: return "fetch";
    case Call::scan_keys: return "scan_keys";
    case Call::scan_rows: return "scan_rows";
    case Call::count_rows: return "count_rows";
    case Call::mark: return "mark";
    case Call::open_now: return "open_now";
    case Call::select: return "select";
    case Call::read: return "read";
    case Call::exists: return "exists";
    case Call::hash: return "hash";
    case Call::prepare: return "prepare";
    case Call::write: return "write";
    case Call::before_commit: return "before_commit";
    case Call::after_commit: return "after_commit";
    case Call::remove_all: return "remove_all";
  }
  return "unknown";
}

void Calls::fail(Call call, ErrorKind kind, int nth, int times, const std::string& table) {
  const std::lock_guard lock(mutex_);
  failures_[call].push_back({kind, nth - 1, times, table});
}

void Calls::on(Call call, Hook hook) {
  const std::lock_guard lock(mutex_);
  if (hook) hooks_[call] = std::move(hook);
  else hooks_.erase(call);
}

std::size_t Calls::count(Call call) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(call);
  return found == counts_.end() ? 0 : found->second;
}

void Calls::forget() {
  const std::lock_guard lock(mutex_);
  counts_.clear();
  hooks_.clear();
  failures_.clear();
}

void Calls::made(Call call, const std::string& table) {
  Hook hook;
  {
    const std::lock_guard lock(mutex_);
    ++counts_[call];
    if (const auto found = hooks_.find(call); found != hooks_.end()) hook = found->second;
  }
  if (hook) hook(table);
  const std::lock_guard lock(mutex_);
  for (Failure& failure : failures_[call]) {
    if (failure.times == 0 || (!failure.table.empty() && failure.table != table)) continue;
    if (failure.passes-- > 0) continue;
    failure.passes = 0;
    --failure.times;
    throw Error(failure.kind,
                fmt::format("the memory database was told to fail {} of table \"{}\"", name_of(call), table));
  }
}

}  // namespace syncflow::testkit
