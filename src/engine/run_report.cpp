#include "engine/run_report.h"

namespace syncflow {

void add_runs(SyncReport& report, const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    report.figures += run.figures;
    if (!run.strategy.empty()) report.strategy = run.strategy;
    if (run.finished_at)
      report.seconds += std::chrono::duration<double>(*run.finished_at - run.started_at).count();
    add_tables(report.tables, run.tables);
  }
}

}  // namespace syncflow
