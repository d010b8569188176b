#include "core/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <cassert>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::metrics {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

constexpr std::size_t kMostLabels = 3;

/// How an instrument is shown.
struct Shown {
  const char* name;
  std::array<const char*, kMostLabels> labels;  ///< null: no more
  const char* help;
};

/// In the order of `Counter`.
constexpr Shown kCounters[] = {
    {"syncflow_rows_read_total", {"sync", "sync_id"}, "Changes read from the sources."},
    {"syncflow_rows_total",
     {"sync", "sync_id", "result"},
     "What became of the changes that were read: written, deleted, unchanged, filtered, collapsed or "
     "quarantined."},
    {"syncflow_read_bytes_total", {"sync", "sync_id"}, "Bytes of the changes read from the sources."},
    {"syncflow_runs_total",
     {"sync", "sync_id", "result"},
     "Runs that ended: completed, failed, retry (to be tried again), yielded (handed back, no attempt used "
     "up), cancelled or lease_lost."},
    {"syncflow_errors_total",
     {"kind", "during"},
     "Failures by kind, and what was being done: run, poll, heartbeat, queue or request."},
    {"syncflow_retries_total", {}, "Runs that failed and will be tried again."},
    {"syncflow_lease_losses_total",
     {},
     "Runs that lost their sync to another worker or to the end of their lease."},
    {"syncflow_heartbeat_failures_total", {}, "Heartbeats that did not reach the store."},
    {"syncflow_polls_total", {"result"}, "Looks at syncs whose time had come: changed, unchanged or failed."},
    {"syncflow_http_requests_total",
     {"route", "method", "status"},
     "Requests answered. The route is a pattern; \"none\": no path of the service, or no whole request."},
    {"syncflow_http_connections_closed_total",
     {"reason"},
     "Connections closed by the service: timeout, too_many (the longest waiting made room) or memory."},
};

/// In the order of `Timing`.
constexpr Shown kTimings[] = {
    {"syncflow_run_duration_seconds", {"result"}, "How long runs took."},
    {"syncflow_batch_write_duration_seconds",
     {"provider"},
     "How long destinations took to write a batch durably."},
    {"syncflow_store_commit_duration_seconds",
     {},
     "How long the store took for a durable transaction, waiting included."},
    {"syncflow_poll_duration_seconds", {}, "How long looks at a sync took."},
    {"syncflow_http_request_duration_seconds", {"route", "method"}, "How long requests took to be handled."},
};
const std::array<Buckets, std::size(kTimings)> kBuckets = {{
    {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600},
    {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30},
    {0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10},
    {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30},
    {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10},
}};

/// In the order of `Gauge`.
constexpr Shown kGauges[] = {
    {"syncflow_http_connections", {}, "Open connections to the HTTP API."},
    {"syncflow_http_requests_in_flight", {}, "Requests that wait for an answer or are being handled."},
};

prometheus::Labels labelled(const Shown& shown, Values values) {
  prometheus::Labels labels;
  auto name = shown.labels.begin();
  for (const std::string_view value : values) {
    assert(name != shown.labels.end() && *name != nullptr);
    labels.emplace(*name++, repaired_utf8(value));
  }
  return labels;
}

template <typename Make, std::size_t size>
auto families(Make make, const Shown (&shown)[size], prometheus::Registry& registry) {
  using Family = std::remove_reference_t<decltype(make().Register(registry))>;
  std::array<Family*, size> made;
  for (std::size_t i = 0; i < size; ++i)
    made[i] = &make().Name(shown[i].name).Help(shown[i].help).Register(registry);
  return made;
}

/// Adding a series that is there gives the one that is there.
struct Instruments {
  Instruments() {
    // A series that is missing until the first failure cannot be asked how much it grew by that.
    for (std::size_t i = 0; i < std::size(kCounters); ++i)
      if (kCounters[i].labels[0] == nullptr) counters[i]->Add({});
  }

  prometheus::Registry registry;
  std::array<prometheus::Family<prometheus::Counter>*, std::size(kCounters)> counters =
      families(prometheus::BuildCounter, kCounters, registry);
  std::array<prometheus::Family<prometheus::Histogram>*, std::size(kTimings)> timings =
      families(prometheus::BuildHistogram, kTimings, registry);
  std::array<prometheus::Family<prometheus::Gauge>*, std::size(kGauges)> gauges =
      families(prometheus::BuildGauge, kGauges, registry);
};

Instruments& instruments() {
  static Instruments all;
  return all;
}

prometheus::MetricFamily shown(const Family& family) {
  prometheus::MetricFamily made;
  made.name = family.name;
  made.help = family.help;
  made.type = family.counts ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
  for (const Sample& sample : family.samples) {
    prometheus::ClientMetric metric;
    for (const auto& [name, value] : sample.labels) metric.label.push_back({name, repaired_utf8(value)});
    (family.counts ? metric.counter.value : metric.gauge.value) = sample.value;
    made.metric.push_back(std::move(metric));
  }
  return made;
}

}  // namespace

void count(Counter counter, Values values, double by) {
  const auto i = static_cast<std::size_t>(counter);
  instruments().counters[i]->Add(labelled(kCounters[i], values)).Increment(std::max(by, 0.0));
}

void observe(Timing timing, std::chrono::duration<double> time, Values values) {
  const auto i = static_cast<std::size_t>(timing);
  instruments().timings[i]->Add(labelled(kTimings[i], values), kBuckets[i]).Observe(time.count());
}

void set(Gauge gauge, double value) {
  instruments().gauges[static_cast<std::size_t>(gauge)]->Add({}).Set(value);
}

Stopwatch::~Stopwatch() {
  const auto time = clock_.monotonic() - began_;
  if (value_.empty()) observe(timing_, time);
  else observe(timing_, time, {value_});
}

std::string exposition(const std::vector<Family>& more) {
  std::vector<prometheus::MetricFamily> all = instruments().registry.Collect();
  for (const Family& family : more) all.push_back(shown(family));
  std::erase_if(all, [](const auto& family) { return family.metric.empty(); });
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace syncflow::metrics
