#include "engine/free_text.h"

#include <gtest/gtest.h>

#include "testkit/mapping_rows.h"

namespace syncflow {
namespace {

using testkit::mapping::error_of;

Variables variables(std::map<std::string, std::string> values) { return {{}, std::move(values), ".env"}; }

FreeText filled(const std::string& written, const Variables& from) {
  FreeText text = FreeText::written(written);
  text.fill_in(from);
  return text;
}

TEST(FreeText, KeepsTheReferenceBesideWhatItStandsFor) {
  const FreeText text = filled("Bearer ${TOKEN}", variables({{"TOKEN", "s3cr3t ${TOKEN}"}}));
  EXPECT_EQ(text.as_written(), "Bearer ${TOKEN}");
  EXPECT_EQ(text.value(), "Bearer s3cr3t ${TOKEN}");
}

TEST(FreeText, StandsForTheVeryTextThatCodeGivesIt) {
  for (const char* text : {"", "plain", "${TOKEN}", "$${TOKEN}", "a $${ b ${", "$$", "${${"}) {
    const FreeText given(text);
    EXPECT_EQ(given.value(), text);
    EXPECT_EQ(FreeText::written(given.as_written()), given);
  }
}

TEST(FreeText, TakesTwoDollarsAsTheTextOfOne) {
  const FreeText text = filled("$${A} ${A}$${A} $$${A}", variables({{"A", "x"}}));
  EXPECT_EQ(text.value(), "${A} x${A} $${A}");
}

TEST(FreeText, IsNotUsedBeforeItsVariablesAreFilledIn) {
  const FreeText text = FreeText::written("${TOKEN}");
  EXPECT_FALSE(text.is_filled());
  EXPECT_EQ(error_of([&] { (void)text.value(); }), "\"${TOKEN}\" was not filled in");
  EXPECT_TRUE(FreeText::written("$${TOKEN}").is_filled());
}

TEST(FreeText, NamesAVariableThatIsNotSet) {
  EXPECT_EQ(error_of([] { filled("${TOKEN}", variables({})); }),
            "${TOKEN} is not set; set it in the environment or in .env");
  EXPECT_EQ(error_of([] { FreeText::written("${TOKEN"); }),
            "a \"${\" has no closing brace; write $${ for the text ${ itself");
}

TEST(FreeText, NeverTellsInAnErrorWhatAVariableHolds) {
  const auto refuse = [](const std::string& text) -> int {
    throw Error(ErrorKind::bad_config, text + " does not fit");
  };
  EXPECT_EQ(error_of([&] { FreeText("seven").read(refuse); }), "seven does not fit");
  const FreeText text = filled("${TOKEN}", variables({{"TOKEN", "s3cr3t"}}));
  EXPECT_EQ(error_of([&] { text.read(refuse); }),
            "what \"${TOKEN}\" stands for does not fit here; it is not shown, as it may be a secret");
}

}  // namespace
}  // namespace syncflow
