#include "core/secrets.h"

#include <gtest/gtest.h>

namespace syncflow {
namespace {

TEST(SecretsInText, AreNotShownHoweverTheyAreWritten) {
  never_show("p@ss/w\xC3\xB6rd");
  EXPECT_EQ(without_secrets("it says: p@ss/w\xC3\xB6rd, twice p@ss/w\xC3\xB6rd"), "it says: ***, twice ***");
  EXPECT_EQ(without_secrets("postgresql://me:p%40ss%2Fw%C3%B6rd@host"), "postgresql://me:***@host");
  EXPECT_EQ(without_secrets("postgresql://me:p%40ss%2fw%c3%b6rd@host"), "postgresql://me:***@host");
}

TEST(SecretsInText, HideTheLongerOneWhereOneHoldsTheOther) {
  never_show("abcdef-1");
  never_show("abcdef-123");
  EXPECT_EQ(without_secrets("abcdef-123 abcdef-1"), "*** ***");
}

TEST(SecretsInText, LeaveOtherWordsWhole) {
  never_show("test");
  never_show("");
  EXPECT_EQ(without_secrets("the latest test"), "the latest test");
  EXPECT_EQ(without_secrets(""), "");
}

}  // namespace
}  // namespace syncflow
