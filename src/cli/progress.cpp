#include "cli/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <ostream>

#include "cli/report.h"

namespace syncflow::cli {
namespace {

constexpr std::chrono::seconds kBetweenLines(10);

/// One table of one sync on its way.
struct Track {
  Progress latest;
  std::chrono::steady_clock::time_point began;
  std::int64_t rows_at_begin = 0;
  std::chrono::steady_clock::time_point shown;

  /// Rows a second since it began; 0 while that says nothing.
  std::int64_t rate(std::chrono::steady_clock::time_point now) const {
    const double seconds = std::chrono::duration<double>(now - began).count();
    return seconds < 0.5
               ? 0
               : static_cast<std::int64_t>(static_cast<double>(latest.rows - rows_at_begin) / seconds);
  }
};

class Tracks {
 public:
  /// A phase of a table is a track of its own: its rate says nothing about the next one.
  Track& follow(const Progress& progress, std::chrono::steady_clock::time_point now) {
    const auto found = std::find_if(tracks_.begin(), tracks_.end(), [&](const Track& t) {
      return t.latest.sync == progress.sync && t.latest.table == progress.table;
    });
    if (found == tracks_.end()) {
      tracks_.push_back({progress, now, progress.rows, now});
      return tracks_.back();
    }
    if (found->latest.phase != progress.phase) *found = {progress, now, progress.rows, found->shown};
    found->latest = progress;
    return *found;
  }
  void drop(const std::string& sync) {
    tracks_.erase(
        std::remove_if(tracks_.begin(), tracks_.end(), [&](const Track& t) { return t.latest.sync == sync; }),
        tracks_.end());
  }
  const std::vector<Track>& all() const { return tracks_; }

 private:
  std::vector<Track> tracks_;
};

std::string rows_and_rate(const Track& track, std::chrono::steady_clock::time_point now) {
  std::string text = with_commas(track.latest.rows);
  if (track.latest.of_rows >= 0)
    text += " of " + with_commas(std::max(track.latest.of_rows, track.latest.rows));
  text += " rows";
  if (const std::int64_t rate = track.rate(now); rate > 0)
    text += fmt::format(", {} a second", with_commas(rate));
  return text;
}

std::string bar(const Progress& progress) {
  constexpr std::int64_t kWidth = 20;
  if (progress.of_rows <= 0) return "";
  // An estimate may be too low: the bar is full then, and the rows go on.
  const std::int64_t full = std::min(kWidth, progress.rows * kWidth / progress.of_rows);
  return fmt::format(" [{}{}]", std::string(static_cast<std::size_t>(full), '#'),
                     std::string(static_cast<std::size_t>(kWidth - full), '.'));
}

/// Cut at a character's edge. Names of tables may hold any character; each is taken for one column.
std::string cut(const std::string& line, std::size_t columns) {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < line.size(); ++i)
    if ((line[i] & 0xc0) != 0x80 && seen++ == columns) return line.substr(0, i);
  return line;
}

class Bars : public ProgressView {
 public:
  Bars(std::ostream& out, Clock& clock, std::function<std::size_t()> columns)
      : out_(out), clock_(clock), columns_(std::move(columns)) {}
  ~Bars() override {
    erase();
    out_ << std::flush;
  }

  void moved(const Progress& progress) override {
    const std::lock_guard lock(mutex_);
    tracks_.follow(progress, clock_.monotonic());
    erase();
    draw();
  }

  void done(const SyncReport& report) override {
    const std::lock_guard lock(mutex_);
    tracks_.drop(report.sync);
    erase();
    out_ << text_lines(report);
    draw();
  }

 private:
  void erase() {
    // Up over what was drawn, then everything below goes.
    if (drawn_ > 0) out_ << "\x1b[" << drawn_ << "A\r\x1b[J";
    drawn_ = 0;
  }

  void draw() {
    const auto now = clock_.monotonic();
    const std::size_t columns = std::max<std::size_t>(columns_(), 20) - 1;
    for (const Track& track : tracks_.all()) {
      const Progress& latest = track.latest;
      out_ << cut(fmt::format("{}: {}, {}{} {}", latest.sync, latest.table, latest.phase, bar(latest),
                              rows_and_rate(track, now)),
                  columns)
           << "\n";
      ++drawn_;
    }
    out_ << std::flush;
  }

  std::mutex mutex_;
  std::ostream& out_;
  Clock& clock_;
  std::function<std::size_t()> columns_;
  Tracks tracks_;
  std::size_t drawn_ = 0;
};

class PlainLines : public ProgressView {
 public:
  PlainLines(std::ostream& out, std::ostream& err, Clock& clock) : out_(out), err_(err), clock_(clock) {}

  void moved(const Progress& progress) override {
    const std::lock_guard lock(mutex_);
    const auto now = clock_.monotonic();
    Track& track = tracks_.follow(progress, now);
    if (now - track.shown < kBetweenLines) return;
    track.shown = now;
    err_ << fmt::format("{}: {}, {}: {}\n", progress.sync, progress.table, progress.phase,
                        rows_and_rate(track, now))
         << std::flush;
  }

  void done(const SyncReport& report) override {
    const std::lock_guard lock(mutex_);
    tracks_.drop(report.sync);
    out_ << text_lines(report) << std::flush;
  }

 private:
  std::mutex mutex_;
  std::ostream& out_;
  std::ostream& err_;
  Clock& clock_;
  Tracks tracks_;
};

class JsonLines : public ProgressView {
 public:
  explicit JsonLines(std::ostream& out) : out_(out) {}
  void moved(const Progress&) override {}
  void done(const SyncReport& report) override {
    const std::lock_guard lock(mutex_);
    out_ << json_line(report) << "\n" << std::flush;
  }

 private:
  std::mutex mutex_;
  std::ostream& out_;
};

std::size_t terminal_columns() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::unique_ptr<ProgressView> bars(std::ostream& out, Clock& clock, std::function<std::size_t()> columns) {
  return std::make_unique<Bars>(out, clock, std::move(columns));
}

std::unique_ptr<ProgressView> plain_lines(std::ostream& out, std::ostream& err, Clock& clock) {
  return std::make_unique<PlainLines>(out, err, clock);
}

std::unique_ptr<ProgressView> json_lines(std::ostream& out) { return std::make_unique<JsonLines>(out); }

std::unique_ptr<ProgressView> view_for(const Invocation& line, const Surroundings& with) {
  if (line.json) return json_lines(with.out);
  return with.on_terminal ? bars(with.out, with.clock, terminal_columns)
                          : plain_lines(with.out, with.err, with.clock);
}

}  // namespace syncflow::cli
