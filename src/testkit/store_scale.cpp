#include "testkit/store_scale.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <ctime>
#include <vector>

#include "core/uuid.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kJobsOfASync = 10;
constexpr std::size_t kRowsAtOnce = 500;
constexpr std::size_t kTeams = 20;
constexpr Duration kLease = 1h;

std::string team(std::size_t sync) { return url_uuid(fmt::format("syncflow:test/team {}", sync % kTeams)); }

Sync make_sync(std::size_t number) {
  Sync sync;
  sync.name = fmt::format("sync {:07}", number);
  sync.id = url_uuid("syncflow:test/" + sync.name);
  sync.team_id = team(number);
  sync.provider = sync.source = sync.destination = "memory";
  sync.schedule = "every 1 minute";
  sync.definition = "{}";
  return sync;
}

/// The name as reports take it.
std::string property_of(std::string name) {
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

/// Gathers rows into statements of a bearable length.
class Inserts {
 public:
  Inserts(const std::function<void(const std::string&)>& execute, std::string head)
      : execute_(execute), head_(std::move(head)) {}
  ~Inserts() { send(); }
  Inserts(const Inserts&) = delete;
  Inserts& operator=(const Inserts&) = delete;

  void add(const std::string& row) {
    rows_ += (rows_.empty() ? "" : ",") + row;
    if (++count_ % kRowsAtOnce == 0) send();
  }

 private:
  void send() {
    if (!rows_.empty()) execute_(head_ + rows_);
    rows_.clear();
  }
  const std::function<void(const std::string&)>& execute_;
  const std::string head_;
  std::string rows_;
  std::size_t count_ = 0;
};

}  // namespace

StoreScale::StoreScale(Store& store, FakeClock& clock, std::function<void(const std::string&)> execute,
                       Measure measure)
    : store_(&store), clock_(clock), execute_(std::move(execute)), measure_(measure) {}

double StoreScale::seconds() const {
  // The processor's time is that of all threads: what the disk and other programs are busy with is not counted.
  timespec time{};
  clock_gettime(measure_ == Measure::processor ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

void StoreScale::grow_to(std::size_t jobs) {
  const std::size_t before = syncs_;
  syncs_ = jobs / kJobsOfASync;
  std::vector<Sync> syncs;
  for (std::size_t i = 0; i < syncs_; ++i) syncs.push_back(make_sync(i));
  store_->apply_syncs(syncs);
  const std::string then = to_rfc3339(clock_.now() - 1h);
  {
    execute_("BEGIN");
    Inserts pending(execute_, "INSERT INTO data_sync_jobs (sync_id, team_id, run_after) VALUES ");
    Inserts finished(
        execute_,
        "INSERT INTO data_sync_jobs (sync_id, team_id, status, run_after, started_at, finished_at) "
        "VALUES ");
    Inserts runs(
        execute_,
        "INSERT INTO sync_runs (id, job_id, sync_id, team_id, attempt, status, started_at, finished_at) "
        "VALUES ");
    for (std::size_t i = before; i < syncs_; ++i)
      for (std::size_t job = 0; job < kJobsOfASync; ++job) {
        if (job % 2 == 0) {
          pending.add(fmt::format("('{}','{}','{}')", syncs[i].id, syncs[i].team_id, then));
          continue;
        }
        finished.add(fmt::format("('{}','{}','completed','{}','{}','{}')", syncs[i].id, syncs[i].team_id,
                                 then, then, then));
        runs.add(fmt::format("('{}','{}','{}','{}',1,'completed','{}','{}')", random_uuid(), random_uuid(),
                             syncs[i].id, syncs[i].team_id, then, then));
      }
  }
  execute_("COMMIT");
  // What others inserted is taken notice of by claims, a thousand at a time.
  for (std::size_t noticed = 0; noticed <= jobs / 1000; ++noticed) {
    const auto claim = store_->claim("who takes notice", kLease);
    if (claim) store_->finish(claim->lease, {Outcome::Kind::give_back, "", Duration(0), {}, "", {}});
  }
}

template <typename Work>
void StoreScale::time(Times& times, const std::string& name, int repetitions, Work work) {
  std::vector<double> taken;
  for (int i = 0; i < repetitions; ++i) {
    const double began = seconds();
    work(static_cast<std::size_t>(i));
    taken.push_back(seconds() - began);
  }
  // A member that goes through more does so each time; other programs and the disk hold up some of its calls, not all.
  const int place = measure_ == Measure::processor ? repetitions / 2 : 0;
  std::nth_element(taken.begin(), taken.begin() + place, taken.end());
  times[name] = taken[static_cast<std::size_t>(place)];
}

StoreScale::Times StoreScale::measure() {
  clock_.advance(1s);
  Times times;
  const auto nth = [&](std::size_t i) { return make_sync((i * 7919) % syncs_); };
  std::vector<Claim> claims;
  time(times, "claim", kRepetitions,
       [&](std::size_t) { claims.push_back(store_->claim("worker", kLease).value()); });
  time(times, "heartbeat", kRepetitions, [&](std::size_t i) { store_->heartbeat(claims[i].lease, kLease); });
  time(times, "finish", kRepetitions, [&](std::size_t i) { store_->finish(claims[i].lease, {}); });
  std::string job;
  time(times, "enqueue, a new job", kRepetitions,
       [&](std::size_t i) { job = store_->enqueue(claims[i].sync.id, Trigger::manual).job.id; });
  time(times, "enqueue, joining", kRepetitions,
       [&](std::size_t i) { store_->enqueue(nth(i).id, Trigger::schedule); });
  time(times, "find_job", kRepetitions, [&](std::size_t) { store_->find_job(job); });
  time(times, "next_job", kRepetitions, [&](std::size_t) { store_->next_job(); });
  time(times, "due_syncs", kRepetitions, [&](std::size_t) { store_->due_syncs(64); });
  time(times, "next_due", kRepetitions, [&](std::size_t) { store_->next_due(); });
  time(times, "note_looks", kRepetitions, [&](std::size_t i) {
    store_->note_looks({{nth(i).id, clock_.now(), clock_.now() + 1min, 0, ""}});
  });
  Page page;
  page.limit = 20;
  time(times, "list_jobs", kRepetitions, [&](std::size_t) { store_->list_jobs(page); });
  time(times, "list_runs", kRepetitions, [&](std::size_t) { store_->list_runs(page); });
  time(times, "list_syncs", kRepetitions, [&](std::size_t) { store_->list_syncs(page); });
  page.status = "pending";
  time(times, "list_jobs, pending", kRepetitions, [&](std::size_t) { store_->list_jobs(page); });
  page.status = "failed";
  time(times, "list_jobs, failed", kRepetitions, [&](std::size_t) { store_->list_jobs(page); });
  page.status.clear();
  page.team_id = team(3);
  time(times, "list_jobs, of a team", kRepetitions, [&](std::size_t) { store_->list_jobs(page); });
  time(times, "list_runs, of a team", kRepetitions, [&](std::size_t) { store_->list_runs(page); });
  page.team_id.clear();
  time(times, "list_jobs, of a sync", kRepetitions, [&](std::size_t i) {
    page.sync_id = nth(i).id;
    store_->list_jobs(page);
  });
  time(times, "list_runs, of a sync", kRepetitions, [&](std::size_t i) {
    page.sync_id = nth(i).id;
    store_->list_runs(page);
  });
  time(times, "sweep, of nothing", 5, [&](std::size_t) { store_->sweep(24h); });
  return times;
}

void StoreScale::expect_kept(const Times& small, const Times& large, double factor,
                             std::chrono::duration<double> free) {
  for (const auto& [name, seconds] : large) {
    ::testing::Test::RecordProperty(
        property_of(name), fmt::format("{:.3f} ms, was {:.3f} ms", seconds * 1e3, small.at(name) * 1e3));
    EXPECT_LE(seconds, small.at(name) * factor + free.count()) << name << " got slow in a large store";
  }
}

}  // namespace syncflow::testkit
