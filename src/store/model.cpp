#include "store/model.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace syncflow {
namespace {

template <typename Enum>
using Names = std::pair<Enum, std::string_view>;

constexpr std::array kSyncStatuses{Names<SyncStatus>{SyncStatus::draft, "draft"},
                                   Names<SyncStatus>{SyncStatus::active, "active"},
                                   Names<SyncStatus>{SyncStatus::paused, "paused"}};

constexpr std::array kJobStatuses{
    Names<JobStatus>{JobStatus::pending, "pending"}, Names<JobStatus>{JobStatus::processing, "processing"},
    Names<JobStatus>{JobStatus::completed, "completed"}, Names<JobStatus>{JobStatus::failed, "failed"}};

constexpr std::array kTriggers{
    Names<Trigger>{Trigger::manual, "manual"},    Names<Trigger>{Trigger::schedule, "schedule"},
    Names<Trigger>{Trigger::webhook, "webhook"},  Names<Trigger>{Trigger::feed, "feed"},
    Names<Trigger>{Trigger::resync, "resync"},    Names<Trigger>{Trigger::retry, "retry"},
    Names<Trigger>{Trigger::external, "external"}};

template <typename Enum, std::size_t n>
std::string_view find_name(const std::array<Names<Enum>, n>& names, Enum value) {
  for (const auto& [candidate, name] : names)
    if (candidate == value) return name;
  throw Error(ErrorKind::bug, fmt::format("{} is no value of this enumeration", static_cast<int>(value)));
}

template <typename Enum, std::size_t n>
std::optional<Enum> find_value(const std::array<Names<Enum>, n>& names, std::string_view text) {
  for (const auto& [value, name] : names)
    if (name == text) return value;
  return std::nullopt;
}

}  // namespace

Figures& Figures::operator+=(const Figures& more) {
  read += more.read;
  written += more.written;
  deleted += more.deleted;
  unchanged += more.unchanged;
  filtered += more.filtered;
  collapsed += more.collapsed;
  quarantined += more.quarantined;
  bytes += more.bytes;
  return *this;
}

void check_sum(const BatchCommit& commit) {
  const Figures& figures = commit.figures;
  if (figures.add_up()) return;
  throw Error(
      ErrorKind::bug,
      fmt::format("{}: the figures of the batch do not add up: read {} is not written {} + deleted {} + "
                  "unchanged {} + filtered {} + collapsed {} + quarantined {}",
                  commit.mapping, figures.read, figures.written, figures.deleted, figures.unchanged,
                  figures.filtered, figures.collapsed, figures.quarantined));
}

std::string_view name_of(SyncStatus status) { return find_name(kSyncStatuses, status); }
std::string_view name_of(JobStatus status) { return find_name(kJobStatuses, status); }
std::string_view name_of(Trigger trigger) { return find_name(kTriggers, trigger); }

std::optional<SyncStatus> sync_status_named(std::string_view name) { return find_value(kSyncStatuses, name); }
std::optional<JobStatus> job_status_named(std::string_view name) { return find_value(kJobStatuses, name); }
std::optional<Trigger> trigger_named(std::string_view name) { return find_value(kTriggers, name); }

void add_tables(std::vector<TableReport>& tables, const std::vector<TableReport>& more) {
  for (const TableReport& table : more) {
    const auto same = std::find_if(tables.begin(), tables.end(), [&](const TableReport& known) {
      return known.source == table.source && known.destination == table.destination;
    });
    if (same == tables.end()) {
      tables.push_back(table);
    } else {
      same->figures += table.figures;
      same->strategy = table.strategy;
    }
  }
}

}  // namespace syncflow
