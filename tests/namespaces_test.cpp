// Two workers whose clocks are five seconds apart, their store, a source and a destination, each on a host of its own.
// The wires between them break in silence, in both directions or in one, for longer than a lease, and heal again.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "support/many_tables.h"
#include "support/network.h"
#include "support/postgresql_server.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;

constexpr auto kLease = 2s;
const std::vector<std::string> kHosts = {"worker1", "worker2", "store", "source", "destination"};

/// A wire of the network, and which ways are cut.
struct Cut {
  std::string worker, other;
  bool requests = true, answers = true;
};

class FiveHosts : public ManyTables {
 protected:
  void SetUp() override {
    for (const std::string& reason : {Network::obstacle(), PostgresqlServer::obstacle()})
      if (!reason.empty()) GTEST_SKIP() << reason;
    std::filesystem::permissions(folder(), std::filesystem::perms(0711));
    network_.emplace(kHosts, folder());
    start_servers();
    enter = network_->enter("worker1");
    // Small batches with pauses: a run is always under way.
    begin(6, "{size: 5, interval: 100}");
  }

  void TearDown() override {
    ManyTables::TearDown();
    // Before their servers go.
    for (auto* session : {&source_, &destination_, &store_}) session->reset();
    for (auto* database : {&source_database_, &destination_database_, &store_database_}) database->reset();
  }

  void start_servers() {
    for (auto [host, server] : {std::pair("store", &store_server_), std::pair("source", &source_server_),
                                std::pair("destination", &destination_server_)})
      server->emplace(folder() / host, PostgresqlServer::Network{network_->enter(host),
                                                                 network_->address(host), Network::range()});
    store_database_ = store_server_->make_database();
    source_database_ = source_server_->make_database();
    destination_database_ = destination_server_->make_database();
    at_store = address_of("store", *store_database_);
    here = fmt::format("{{provider: postgresql, url: \"{}\"}}", address_of("source", *source_database_));
    there = fmt::format("{{provider: postgresql, url: \"{}\"}}",
                        address_of("destination", *destination_database_));
  }

  std::string address_of(const std::string& host, Database& database) const {
    return fmt::format("postgresql://postgres@{}/{}?sslmode=disable", network_->address(host),
                       database.log_in()->value("SELECT current_database()"));
  }

  Service serve_on(const std::string& worker, std::chrono::milliseconds clock_offset) {
    enter = network_->enter(worker);
    environment["SYNCFLOW_CLOCK_OFFSET_MS"] = std::to_string(clock_offset.count());
    Service service = serve();
    environment.erase("SYNCFLOW_CLOCK_OFFSET_MS");
    return service;
  }

  void survive(const std::vector<Cut>& cuts, std::chrono::milliseconds length) {
    std::jthread writer([&](std::stop_token stop) { write_until(std::move(stop)); });
    Service first = serve_on("worker1", -2500ms);
    Service second = serve_on("worker2", 2500ms);
    for (const Cut& cut : cuts) {
      // Both work when it happens, or there is nothing to interrupt.
      for (Service* service : {&first, &second}) wait_for_claims(*service);
      if (cut.requests) network_->cut(cut.worker, cut.other);
      if (cut.answers) network_->cut(cut.other, cut.worker);
      std::this_thread::sleep_for(length);  // longer than a lease: that is what is tested
      network_->heal(cut.worker, cut.other);
      network_->heal(cut.other, cut.worker);
    }
    writer.request_stop();
    writer.join();
    first.process.wait_until(
        "both ends are equal", [&] { return differences().empty(); }, 120s);
    EXPECT_EQ(first.stop(), Exit{0});
    EXPECT_EQ(second.stop(), Exit{0});
    expect_settled();
    // Who was cut off from the store lost its lease, and both sides say so.
    EXPECT_NE(store_->value("SELECT count(*) FROM sync_runs WHERE error LIKE '%lease ran out%'"), "0");
    EXPECT_NE((first.process.err() + second.process.err()).find("lease"), std::string::npos);
  }

 private:
  void wait_for_claims(Service& service) {
    const int before = claims();
    service.process.wait_until("more work is taken", [&] { return claims() > before; });
  }
  int claims() const { return std::stoi(store_->value("SELECT count(*) FROM claims")); }

  std::optional<Network> network_;
  std::optional<PostgresqlServer> store_server_, source_server_, destination_server_;
};

TEST_F(FiveHosts, OutliveBrokenWires) {
  survive({{"worker1", "store"}, {"worker2", "source", false, true}, {"worker1", "destination", true, false}},
          kLease + 2s);
}

TEST_F(FiveHosts, OutliveEveryWireThatBreaksInEveryWay) {
  std::vector<Cut> cuts;
  for (const char* worker : {"worker1", "worker2"})
    for (const char* other : {"store", "source", "destination"})
      for (const auto& [requests, answers] :
           {std::pair(true, true), std::pair(true, false), std::pair(false, true)})
        cuts.push_back({worker, other, requests, answers});
  survive(cuts, kLease + 6s);
}

}  // namespace
}  // namespace syncflow::tests
