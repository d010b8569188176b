#pragma once

#include <chrono>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"

namespace syncflow::metrics {

/// What the process counts from its start on, and measures. Their names, labels and meanings stand in metrics.cpp, and for
/// people in docs/operations.md. Process-wide and thread-safe, as the log; gauges that the store knows are
/// read when somebody asks (api/metrics_page.h).
enum class Counter {
  rows_read,   ///< sync, sync_id
  rows,        ///< sync, sync_id, result
  read_bytes,  ///< sync, sync_id
  runs,        ///< sync, sync_id, result
  errors,      ///< kind, during
  retries,     ///< no labels, as those that name none
  lease_losses,
  heartbeat_failures,
  polls,          ///< result
  http_requests,  ///< route, method, status
  http_closed,    ///< reason
};
enum class Timing {
  run,          ///< result
  batch_write,  ///< provider
  store_commit,
  poll,
  http_request,  ///< route, method
};
enum class Gauge { http_connections, http_requests };

/// The values of a series' labels, in the order above.
using Values = std::initializer_list<std::string_view>;

/// Less than zero counts as nothing: a counter never goes back.
void count(Counter counter, Values values = {}, double by = 1);
void observe(Timing timing, std::chrono::duration<double> time, Values values = {});
void set(Gauge gauge, double value);

/// Observes the time from its making to its end, however that comes.
class Stopwatch {
 public:
  /// `value`: of the timing's only label; it must outlive the watch.
  Stopwatch(Timing timing, Clock& clock, std::string_view value = {})
      : timing_(timing), clock_(clock), value_(value), began_(clock.monotonic()) {}
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  const Timing timing_;
  Clock& clock_;
  const std::string_view value_;
  const std::chrono::steady_clock::time_point began_;
};

/// Figures that are not kept but known when somebody asks. Label values may hold any bytes.
struct Sample {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};
struct Family {
  std::string name;
  std::string help;
  bool counts = false;  ///< a counter; else a gauge
  std::vector<Sample> samples;
};

/// All that was counted, and `more`, in the text form of Prometheus (0.0.4). A family without samples is left out.
std::string exposition(const std::vector<Family>& more);

/// This process: memory, files, processor time, start, as Prometheus' own clients name them; and the build.
std::vector<Family> of_this_process();

}  // namespace syncflow::metrics
