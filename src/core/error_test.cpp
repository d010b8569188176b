#include "core/error.h"

#include <gtest/gtest.h>

#include <set>

#include "core/schema.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

constexpr ErrorKind kAll[] = {
    ErrorKind::bad_config,   ErrorKind::unauthorized, ErrorKind::not_found, ErrorKind::forbidden,
    ErrorKind::rate_limited, ErrorKind::unavailable,  ErrorKind::conflict,  ErrorKind::position_lost,
    ErrorKind::cancelled,    ErrorKind::lease_lost,   ErrorKind::bug};

TEST(Error, NamesEveryKind) {
  std::set<std::string_view> names;
  for (const ErrorKind kind : kAll) {
    EXPECT_NE(name_of(kind), "unknown");
    EXPECT_TRUE(names.insert(name_of(kind)).second) << name_of(kind);
  }
}

TEST(Error, NeedsAPersonOnlyWhereNoRetryCanHelp) {
  std::set<ErrorKind> held;
  for (const ErrorKind kind : kAll)
    if (needs_a_person(kind)) held.insert(kind);
  EXPECT_EQ(held, (std::set{ErrorKind::bad_config, ErrorKind::unauthorized, ErrorKind::not_found,
                            ErrorKind::forbidden}));
}

TEST(Error, SaysWhatWasBeingDoneAndStaysWhatItIs) {
  Error limited(ErrorKind::rate_limited, "429 Too Many Requests");
  limited.retry_after(30s);
  const Error told = limited.while_doing("reading table orders");
  EXPECT_STREQ(told.what(), "reading table orders: 429 Too Many Requests");
  EXPECT_EQ(told.kind(), ErrorKind::rate_limited);
  EXPECT_EQ(told.retry_after(), 30s);
  EXPECT_FALSE(Error(ErrorKind::bug, "x").retry_after());
}

TEST(Schema, NamesTheNearestFieldForOneThatIsNotThere) {
  Schema schema;
  schema.table = "orders";
  for (const char* name : {"id", "customer", "updated_at"}) {
    Field field;
    field.name = name;
    schema.fields.push_back(field);
  }
  EXPECT_EQ(schema.at("customer"), 1u);
  EXPECT_EQ(schema.find("nothing"), std::nullopt);
  try {
    schema.at("upadted_at");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    EXPECT_STREQ(error.what(), "table orders has no field \"upadted_at\"; did you mean \"updated_at\"?");
  }
  try {
    schema.at("price");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "table orders has no field \"price\"; it has id, customer, updated_at");
  }
}

}  // namespace
}  // namespace syncflow
