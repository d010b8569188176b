#include "app/dotenv.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace syncflow::app {
namespace {

using Values = std::map<std::string, std::string>;

Values read(const std::string& text) { return parse_dotenv(text, ".env"); }

std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Dotenv, ReadsNamesAndValues) {
  EXPECT_EQ(read("A=1\n_B2 = two words  \nC=\nexport D=4\nexport=5\n"),
            (Values{{"A", "1"}, {"_B2", "two words"}, {"C", ""}, {"D", "4"}, {"export", "5"}}));
  EXPECT_EQ(read(""), Values());
  EXPECT_EQ(read("A=1"), (Values{{"A", "1"}}));
}

TEST(Dotenv, LetsTheLastOfTwoLinesCount) { EXPECT_EQ(read("A=1\nA=2\n"), (Values{{"A", "2"}})); }

TEST(Dotenv, LeavesCommentsAndBlankLinesOut) {
  EXPECT_EQ(read("# A=0\n\n   # more\nA=1 # one\nB=x#y\nC= # nothing\nD=\"#\" # quoted\n"),
            (Values{{"A", "1"}, {"B", "x#y"}, {"C", ""}, {"D", "#"}}));
}

TEST(Dotenv, TakesQuotesOff) {
  EXPECT_EQ(read(R"(A=' $x \n "y" '
B="a \"b\" \$c \\ \t\x"
C=it's
D=""
)"),
            (Values{{"A", " $x \\n \"y\" "}, {"B", "a \"b\" $c \\ \t\\x"}, {"C", "it's"}, {"D", ""}}));
}

TEST(Dotenv, LetsQuotedValuesGoOverSeveralLines) {
  EXPECT_EQ(read("KEY=\"-----BEGIN-----\nabc\n-----END-----\"\nB='1\n2'\n"),
            (Values{{"KEY", "-----BEGIN-----\nabc\n-----END-----"}, {"B", "1\n2"}}));
}

TEST(Dotenv, ReadsFilesFromOtherSystems) {
  EXPECT_EQ(read("\xef\xbb\xbf"
                 "A=1\r\nB=\"2\"\r\n"),
            (Values{{"A", "1"}, {"B", "2"}}));
}

TEST(Dotenv, NamesTheLineThatIsWrongButNotWhatItSays) {
  EXPECT_EQ(refusal("A=1\nsecret\n"), ".env:2: this is no line like NAME=value");
  EXPECT_EQ(refusal("1A=secret\n"), ".env:1: this is no line like NAME=value");
  EXPECT_EQ(refusal("=secret\n"), ".env:1: this is no line like NAME=value");
  EXPECT_EQ(refusal("A B=secret\n"), ".env:1: this is no line like NAME=value");
  EXPECT_EQ(refusal("A='1\n2'\nB=\"secret\nC=1\n"), ".env:3: the quote that begins here is never closed");
  EXPECT_EQ(refusal("A=\"1\" secret\n"), ".env:1: something follows the closing quote");
}

}  // namespace
}  // namespace syncflow::app
