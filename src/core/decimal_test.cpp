#include "core/decimal.h"

#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <random>

namespace syncflow {
namespace {

TEST(Decimals, AreComparedAsNumbers) {
  EXPECT_TRUE(compare_decimals("1.50", "1.5") == 0);
  EXPECT_TRUE(compare_decimals("-0", "0.000") == 0);
  EXPECT_TRUE(compare_decimals("007", "7") == 0);
  EXPECT_TRUE(compare_decimals("-2", "-1") < 0);
  EXPECT_TRUE(compare_decimals("-1", "0") < 0);
  EXPECT_TRUE(compare_decimals("9", "10") < 0);
  EXPECT_TRUE(compare_decimals("-10", "-9") < 0);
  EXPECT_TRUE(compare_decimals("1.09", "1.1") < 0);
  EXPECT_TRUE(compare_decimals("0.5", "0.51") < 0);
  EXPECT_TRUE(compare_decimals("-0.51", "-0.5") < 0);
  EXPECT_TRUE(compare_decimals(std::string(300, '9'), "1" + std::string(300, '0')) < 0);
}

TEST(Decimals, AreComparedAsWholeNumbersAre) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 5000; ++i) {
    const auto a = static_cast<std::int64_t>(random()) >> (random() % 60);
    const auto b = static_cast<std::int64_t>(random()) >> (random() % 60);
    EXPECT_EQ(compare_decimals(std::to_string(a), std::to_string(b)), a <=> b) << a << " " << b;
  }
}

TEST(Decimals, HaveOneNormalForm) {
  EXPECT_EQ(normalized_decimal("1.50"), "1.5");
  EXPECT_EQ(normalized_decimal("-0.00"), "0");
  EXPECT_EQ(normalized_decimal("00012.300"), "12.3");
  EXPECT_EQ(normalized_decimal("-00.10"), "-0.1");
  EXPECT_EQ(normalized_decimal("100"), "100");
  EXPECT_EQ(normalized_decimal("100.0"), "100");
}

TEST(Decimals, ThatADoubleExactlyIs) {
  EXPECT_EQ(exact_decimal(0.5), "0.5");
  EXPECT_EQ(exact_decimal(-0.0), "0");
  EXPECT_EQ(exact_decimal(0.1), "0.1000000000000000055511151231257827021181583404541015625");
  EXPECT_EQ(exact_decimal(9007199254740992.0), "9007199254740992");
  EXPECT_EQ(exact_decimal(std::ldexp(1.0, -1074))->size(), 1076u);
  EXPECT_EQ(exact_decimal(1.7976931348623157e308)->size(), 309u);
  EXPECT_FALSE(exact_decimal(HUGE_VAL));
  EXPECT_FALSE(exact_decimal(std::nan("")));
}

TEST(Decimals, DoNotDependOnTheLocale) {
  const char* const before = std::setlocale(LC_NUMERIC, nullptr);
  const std::string kept = before ? before : "C";
  // Where the system has none of these the test says little, but it does no harm.
  for (const char* locale : {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"}) std::setlocale(LC_NUMERIC, locale);
  EXPECT_EQ(exact_decimal(1.5), "1.5");
  std::setlocale(LC_NUMERIC, kept.c_str());
}

}  // namespace
}  // namespace syncflow
