#include "app/test_config_folder.h"

namespace syncflow::app {
namespace {

/// What is said of a transform's params while the file is read.
class Params : public ConfigFolder {
 protected:
  /// The refusal of a field on line 10, whose param stands on line 11.
  std::string refusal(const std::string& transform, const std::string& params) const {
    return ConfigFolder::refusal(
        "connections:\n  a: {provider: sqlite, path: a.db}\n  b: {provider: sqlite, path: b.db}\n"
        "syncs:\n  - name: n\n    source: a\n    destination: b\n    tables:\n"
        "      - {source: t, destination: t, fields: {\n"
        "          f: {from: x, transform: " +
        transform + ", params: {\n              " + params + "}}}}\n");
  }
  static std::string at(const std::string& param) {
    return "syncflow.yaml:11: syncs[0].tables[0].fields.f.params." + param + ": ";
  }
};

TEST_F(Params, ThatFitAreTaken) {
  EXPECT_EQ(refusal("hash", "algorithm: sha256"), "");
  EXPECT_EQ(refusal("cast", "to: timestamp_tz"), "");
  EXPECT_EQ(refusal("split", "separator: \" \", index: -1"), "");
  EXPECT_EQ(refusal("replace", "search: a, with: \"\""), "");
  EXPECT_EQ(refusal("combine", "separator: \"\""), "");
  EXPECT_EQ(refusal("round", "digits: -2"), "");
}

TEST_F(Params, NameTheChoicesAndTheNearestOne) {
  EXPECT_EQ(refusal("hash", "algorithm: md5"), at("algorithm") + "\"md5\" is none of sha256");
  EXPECT_EQ(refusal("hash", "algorithm: sha265"),
            at("algorithm") + "\"sha265\" is none of sha256; did you mean \"sha256\"?");
  EXPECT_EQ(refusal("cast", "to: integer"), at("to") + "unknown type \"integer\"; did you mean \"int64\"?");
  EXPECT_EQ(refusal("cast", "to: decimel"), at("to") + "unknown type \"decimel\"; did you mean \"decimal\"?");
  EXPECT_EQ(refusal("cast", "to: money"),
            at("to") +
                "unknown type \"money\"; there are boolean, int64, uint64, float64, decimal, text, bytes, "
                "date, time, timestamp, timestamp_tz, uuid, json, array");
}

TEST_F(Params, MustBeNumbersWhereTheyCount) {
  EXPECT_EQ(refusal("split", "separator: x, index: x"),
            at("index") + "it must be a whole number from -1000000 to 1000000, not \"x\"");
  EXPECT_EQ(refusal("round", "digits: 2000"),
            at("digits") + "it must be a whole number from -1000 to 1000, not \"2000\"");
}

TEST_F(Params, MustNotBeEmptyWhereNothingWouldBeFound) {
  EXPECT_EQ(refusal("split", "separator: \"\", index: 0"), at("separator") + "it is empty");
  EXPECT_EQ(refusal("replace", "search: \"\", with: x"), at("search") + "it is empty");
}

TEST_F(Params, AreNotShownWhereTheyComeFromAVariable) {
  environment_["HOW"] = "hunter2";
  const std::string said = refusal("hash", "algorithm: \"${HOW}\"");
  EXPECT_EQ(said.find("hunter"), std::string::npos) << said;
  EXPECT_EQ(said.find(at("algorithm")), 0u) << said;
  environment_["HOW"] = "sha256";
  EXPECT_EQ(refusal("hash", "algorithm: \"${HOW}\""), "");
}

TEST_F(Params, MakeOfAConstantWhatItCanBecome) {
  const auto constant = [&](const std::string& value) {
    return ConfigFolder::refusal(
        "connections:\n  a: {provider: sqlite, path: a.db}\n  b: {provider: sqlite, path: b.db}\n"
        "syncs:\n  - name: n\n    source: a\n    destination: b\n    tables:\n"
        "      - source: t\n        destination: t\n        fields:\n"
        "          f: {constant: " +
        value + ", transform: cast, params: {to: int64}}\n");
  };
  EXPECT_EQ(constant("2024"), "");
  EXPECT_EQ(constant("soon"),
            "syncflow.yaml:12: syncs[0].tables[0].fields.f.constant: \"soon\" is not an int64");
}

}  // namespace
}  // namespace syncflow::app
