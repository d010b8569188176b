#include "store/postgresql.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/uuid.h"
#include "testkit/postgresql_database.h"
#include "testkit/store_contract.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

std::string url_of(const libpq::Target& target, const std::string& query = "") {
  const std::string login =
      target.password.empty() ? target.user : target.user + ":" + target.password.reveal();
  return fmt::format("postgresql://{}@{}:{}/{}{}", login, target.host, target.port, target.database, query);
}

class PostgresqlHarness : public StoreHarness {
 public:
  std::unique_ptr<Store> open(Clock& clock) override {
    return open_postgresql_store(url_of(database_.target()), clock, StoreTime::clock);
  }
  void execute(const std::string& sql) override { database_.run(sql); }

 private:
  PostgresDatabase database_;
};

SYNCFLOW_STORE_CONTRACT(Postgresql, StoreCase{"Postgresql", []() -> std::unique_ptr<StoreHarness> {
                          if (!has_postgresql()) return nullptr;
                          return std::make_unique<PostgresqlHarness>();
                        }});

}  // namespace
}  // namespace syncflow::testkit
