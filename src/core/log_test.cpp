#include "core/log.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <thread>
#include <vector>

#include "core/text.h"

namespace syncflow::log {
namespace {

/// What is logged meanwhile, line by line.
std::vector<std::string> logged(Level least, Form form, const std::function<void()>& function) {
  configure(least, form);
  ::testing::internal::CaptureStderr();
  function();
  std::vector<std::string> lines = split(::testing::internal::GetCapturedStderr(), '\n');
  configure(Level::info, Form::text);
  EXPECT_EQ(lines.back(), "");
  lines.pop_back();
  return lines;
}

TEST(JsonLog, GivesOneValidObjectALineWhateverIsInIt) {
  std::string everything;
  for (int i = 0; i < 256; ++i) everything += static_cast<char>(i);
  const auto lines = logged(Level::debug, Form::json, [&] {
    debug("A sentence.");
    info("With \"quotes\", a backslash \\ and\na line break.", {{"sync", "orders"}, {"job", "7"}});
    warn("{} %v %s {0}", {{"braces", "{}"}, {"percent", "%n"}});
    error(everything,
          {{"bytes", everything}, {"latin1", "caf\xe9"}, {"empty", ""}, {"nul", std::string("a\0b", 3)}});
    info("Fields that would hide the record's own.",
         {{"time", "never"}, {"level", "none"}, {"message", "gone"}});
  });
  ASSERT_EQ(lines.size(), 5u);
  std::vector<boost::json::object> records;
  for (const std::string& line : lines) {
    boost::system::error_code problem;
    const auto value = boost::json::parse(line, problem);
    ASSERT_FALSE(problem) << problem.message() << ": " << line;
    records.push_back(value.as_object());
    EXPECT_TRUE(records.back().at("time").is_string());
  }
  EXPECT_EQ(records[0].at("level").as_string(), "debug");
  EXPECT_EQ(records[0].at("message").as_string(), "A sentence.");
  EXPECT_EQ(records[1].at("message").as_string(), "With \"quotes\", a backslash \\ and\na line break.");
  EXPECT_EQ(records[1].at("sync").as_string(), "orders");
  EXPECT_EQ(records[2].at("message").as_string(), "{} %v %s {0}");
  EXPECT_EQ(records[2].at("percent").as_string(), "%n");
  EXPECT_EQ(records[3].at("latin1").as_string(), "caf\xef\xbf\xbd");
  EXPECT_EQ(records[4].at("level").as_string(), "info");
  EXPECT_EQ(records[4].at("level_").as_string(), "none");
  EXPECT_EQ(records[4].at("message_").as_string(), "gone");
  EXPECT_EQ(records[4].at("time_").as_string(), "never");
}

TEST(TextLog, KeepsEachRecordOnOneLineThatNoTerminalObeys) {
  const auto lines = logged(Level::info, Form::text, [] {
    info("Two\nlines and an \x1b[31mescape.",
         {{"plain", "word"}, {"spaced", "two words"}, {"escape", "\x1b[2J"}, {"empty", ""}});
  });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].find('\x1b'), std::string::npos);
  EXPECT_NE(lines[0].find("info Two lines and an "), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find(R"(plain=word spaced="two words" escape="\u001b[2J" empty="")"), std::string::npos)
      << lines[0];
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
  const auto lines = logged(Level::warn, Form::text, [] {
    debug("no");
    info("no");
    warn("yes");
    error("yes");
  });
  EXPECT_EQ(lines.size(), 2u);
}

TEST(Log, WritesWholeLinesFromManyThreads) {
  const auto lines = logged(Level::info, Form::json, [] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([t] {
        for (int i = 0; i < 50; ++i)
          info(std::string(200, static_cast<char>('a' + t)), {{"n", std::to_string(i)}});
      });
  });
  EXPECT_EQ(lines.size(), 200u);
  for (const std::string& line : lines) EXPECT_NO_THROW(boost::json::parse(line)) << line;
}

TEST(ScopeOfALog, AddsItsFieldsToEachLineOfItsThread) {
  const auto lines = logged(Level::info, Form::text, [] {
    const Scope run{{"sync", "orders"}, {"job", "7"}, {"none", ""}};
    info("One.", {{"error", "no"}});
    {
      const Scope inner{{"sync", "people"}};
      info("Two.");
      std::jthread([fields = Scope::of_this_thread()] {
        info("Three.");
        const Scope same(fields);
        info("Four.");
      });
    }
    info("Five.", {{"job", "8"}});
  });
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_NE(lines[0].find("One. sync=orders job=7 error=no"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("Two. job=7 sync=people"), std::string::npos) << lines[1];
  EXPECT_EQ(lines[2].substr(lines[2].find("Three.")), "Three.");
  EXPECT_NE(lines[3].find("Four. job=7 sync=people"), std::string::npos) << lines[3];
  EXPECT_NE(lines[4].find("Five. sync=orders job=8"), std::string::npos) << lines[4];
}

}  // namespace
}  // namespace syncflow::log
