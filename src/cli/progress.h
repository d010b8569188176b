#pragma once

#include <chrono>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "core/clock.h"
#include "engine/engine.h"

namespace syncflow::cli {

/// Shows how syncs move: `moved` while they do, `done` once each has ended.
///
/// Thread-safe.
class ProgressView {
 public:
  virtual ~ProgressView() = default;
  virtual void moved(const Progress& progress) = 0;
  virtual void done(const SyncReport& report) = 0;
};

/// On a terminal: a bar for each sync that moves, below the lines of those that are done.
/// `columns`: how wide the terminal is now.
std::unique_ptr<ProgressView> bars(std::ostream& out, Clock& clock, std::function<std::size_t()> columns);

/// Elsewhere: the lines of `text_lines` on `out`, and on `err` a line every ten seconds for what takes longer.
std::unique_ptr<ProgressView> plain_lines(std::ostream& out, std::ostream& err, Clock& clock);

/// One JSON line a sync on `out`, nothing else.
std::unique_ptr<ProgressView> json_lines(std::ostream& out);

/// What suits the line and the output: JSON lines, bars on a terminal, plain lines elsewhere.
std::unique_ptr<ProgressView> view_for(const Invocation& line, const Surroundings& with);

}  // namespace syncflow::cli
