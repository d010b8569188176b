#include "engine/key_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "core/error.h"

namespace syncflow {
namespace {

std::vector<std::string> texts(KeyStream& keys) {
  std::vector<std::string> all;
  while (const ListedKey* key = keys.next()) {
    std::string text;
    for (const Value& cell : key->cells) text += to_text(cell) + ";";
    all.push_back(text + std::to_string(key->mark));
  }
  return all;
}

TEST(KeyFile, GivesBackKeysOfEveryTypeAsTheyWere) {
  Arena arena;
  KeyFile file;
  const std::vector<Value> cells = {Value::of(std::int64_t{-7}),
                                    Value::of(std::uint64_t{18446744073709551615u}),
                                    Value::decimal("1.50"),
                                    Value::text(std::string_view("a\0\"ü", 5)),
                                    Value::text(""),
                                    Value::of(0.1),
                                    Value::of(true),
                                    Value::bytes(std::string_view("\xff\x00", 2)),
                                    Value::date(-1),
                                    Value::timestamp(1, 7),
                                    Value::timestamp_tz(-1),
                                    parse_value(Type::uuid, "0b8f0000-0000-4000-8000-00000000000f", arena),
                                    Value::native("infinity")};
  file.add(cells, 3);
  file.add({}, 0);
  const auto keys = file.read();
  const ListedKey* key = keys->next();
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->mark, 3);
  ASSERT_EQ(key->cells.size(), cells.size());
  for (std::size_t i = 0; i < cells.size(); ++i) EXPECT_TRUE(key->cells[i] == cells[i]) << i;
  key = keys->next();
  ASSERT_NE(key, nullptr);
  EXPECT_TRUE(key->cells.empty());
  EXPECT_EQ(keys->next(), nullptr);
}

TEST(KeyFile, HoldsMoreThanMemoryIsKeptFor) {
  KeyFile file;
  const std::string filling(1000, 'x');
  for (std::int64_t i = 0; i < 5000; ++i) file.add(std::vector{Value::of(i), Value::text(filling)});
  EXPECT_EQ(file.count(), 5000);
  for (int time = 0; time < 2; ++time) {
    const auto keys = file.read();
    for (std::int64_t i = 0; i < 5000; ++i) {
      const ListedKey* key = keys->next();
      ASSERT_NE(key, nullptr);
      ASSERT_EQ(key->cells[0].as_int64(), i);
      ASSERT_EQ(key->cells[1].view(), filling);
    }
    EXPECT_EQ(keys->next(), nullptr);
  }
}

TEST(KeyFile, IsTriedAgainWhenTheFolderForTemporaryFilesIsMissing) {
  const char* const before = std::getenv("TMPDIR");
  const std::string kept = before ? before : "";
  ::setenv("TMPDIR", "/no/such/folder", 1);
  const std::string much(2u << 20, 'x');
  KeyFile file;
  try {
    file.add(std::vector{Value::text(much)});
    ADD_FAILURE() << "it was written";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    EXPECT_NE(std::string(error.what()).find("TMPDIR names it"), std::string::npos) << error.what();
  }
  if (before) ::setenv("TMPDIR", kept.c_str(), 1);
  else ::unsetenv("TMPDIR");
}

TEST(KeySorter, SortsInPiecesAsItWouldAtOnce) {
  std::mt19937 random(7);
  for (const std::size_t piece_bytes : {std::size_t{1} << 20, std::size_t{2000}, std::size_t{1}}) {
    KeySorter sorter(piece_bytes);
    std::vector<std::pair<std::string, std::int64_t>> wanted;
    for (int i = 0; i < 500; ++i) {
      const auto number = static_cast<std::int64_t>(random() % 100);
      const std::string word(random() % 4, static_cast<char>('a' + random() % 3));
      sorter.add({{Value::text(word), Value::of(number)}, 1});
      wanted.emplace_back(word, number);
    }
    std::sort(wanted.begin(), wanted.end());
    std::vector<std::string> expected;
    for (const auto& [word, number] : wanted) expected.push_back(word + ";" + std::to_string(number) + ";1");
    EXPECT_EQ(texts(*sorter.sorted()), expected) << piece_bytes;
  }
}

TEST(KeySorter, SortsNothing) {
  KeySorter sorter;
  EXPECT_EQ(sorter.sorted()->next(), nullptr);
}

}  // namespace
}  // namespace syncflow
