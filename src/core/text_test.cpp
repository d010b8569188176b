#include "core/text.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace syncflow {
namespace {

using namespace std::string_literals;

TEST(Utf8, TakesEveryCodePointAndNothingElse) {
  const auto encoded = [](unsigned point, int bytes) {
    std::string out;
    static constexpr unsigned kHeads[] = {0, 0x00, 0xc0, 0xe0, 0xf0, 0xf8};
    out += static_cast<char>(kHeads[bytes] | (point >> (6 * (bytes - 1))));
    for (int i = bytes - 2; i >= 0; --i) out += static_cast<char>(0x80 | ((point >> (6 * i)) & 0x3f));
    return out;
  };
  for (unsigned point = 0; point < 0x120000; ++point) {
    const bool exists = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    const int shortest = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (int bytes = 1; bytes <= 4; ++bytes) {
      if (bytes < shortest) continue;
      if (bytes == 1 && point >= 0x80) continue;
      ASSERT_EQ(is_utf8(encoded(point, bytes)), exists && bytes == shortest)
          << std::hex << point << " in " << bytes;
    }
  }
}

TEST(Utf8, RefusesMalformedSequencesWhereverTheyStand) {
  const std::string bad[] = {"\x80"s,
                             "\xbf"s,
                             "\xc0\x80"s,
                             "\xc1\xbf"s,
                             "\xc2"s,
                             "\xc2\x41"s,
                             "\xe0\x80\x80"s,
                             "\xe0\x9f\xbf"s,
                             "\xe2\x82"s,
                             "\xe2\x28\xa1"s,
                             "\xed\xa0\x80"s,
                             "\xed\xbf\xbf"s,
                             "\xf0\x80\x80\x80"s,
                             "\xf0\x8f\xbf\xbf"s,
                             "\xf0\x9f\xa6"s,
                             "\xf4\x90\x80\x80"s,
                             "\xf5\x80\x80\x80"s,
                             "\xf8\x88\x80\x80\x80"s,
                             "\xfe"s,
                             "\xff"s,
                             "\xc3\xc3\xa4"s,
                             "\xe4"s};
  for (const std::string& bytes : bad)
    for (std::size_t before = 0; before < 20; ++before)
      for (const std::size_t after : {0, 1, 7, 8, 9}) {
        const std::string text = std::string(before, 'a') + bytes + std::string(after, 'z');
        EXPECT_FALSE(is_utf8(text)) << to_hex(text);
        EXPECT_TRUE(is_utf8(repaired_utf8(text))) << to_hex(text);
      }
}

TEST(Utf8, TakesNulAndEmptyText) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8({}));
  EXPECT_TRUE(is_utf8("a\0b"s));
  EXPECT_TRUE(is_utf8("\xc3\xa4\xe2\x82\xac\xf0\x9f\xa6\x94 and much more plain text behind it"));
}

TEST(Utf8, IsRepairedByteForByte) {
  EXPECT_EQ(repaired_utf8("caf\xe9 cr\xc3\xa8me"), "caf\xef\xbf\xbd cr\xc3\xa8me");
  EXPECT_EQ(repaired_utf8("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(repaired_utf8("fine"), "fine");
}

TEST(Nearest, FindsTheSlipOfTheFinger) {
  EXPECT_EQ(nearest("upated_at", {"created_at", "updated_at", "id"}), "updated_at");
  EXPECT_EQ(nearest("nmae", {"id", "name"}), "name");
  EXPECT_EQ(nearest("Name", {"id", "name"}), "name");
  EXPECT_EQ(nearest("ordres", {"orders", "order_items"}), "orders");
  EXPECT_EQ(nearest("uid", {"id", "name"}), "id");
}

TEST(Nearest, IsEmptyWhenNothingIsNear) {
  EXPECT_EQ(nearest("customers", {"orders", "items"}), "");
  EXPECT_EQ(nearest("id", {"ts", "no", "at"}), "");
  EXPECT_EQ(nearest("a", {"b"}), "");
  EXPECT_EQ(nearest("", {"id"}), "");
  EXPECT_EQ(nearest("id", {}), "");
}

TEST(Join, PutsOrBeforeTheLast) {
  EXPECT_EQ(join_or({}), "");
  EXPECT_EQ(join_or({"a"}), "a");
  EXPECT_EQ(join_or({"a", "b"}), "a or b");
  EXPECT_EQ(join_or({"a", "b", "c"}), "a, b or c");
  EXPECT_EQ(join({"a", "", "c"}, "--"), "a----c");
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_EQ(split("", ','), std::vector<std::string>{""});
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string>{"a", "", "b", ""}));
}

TEST(Hex, IsReadInAnyCaseAndWrittenInLower) {
  EXPECT_EQ(from_hex("00fFAb"), "\x00\xff\xab"s);
  EXPECT_EQ(to_hex("\x00\xff\xab"s), "00ffab");
  EXPECT_EQ(from_hex(""), "");
  for (const char* text : {"0", "0g", "g0", "000", " 00", "0x00"}) {
    try {
      from_hex(text);
      ADD_FAILURE() << "accepted " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    }
  }
}

TEST(Shortened, CutsAtACharactersEdge) {
  EXPECT_EQ(shortened("short", 5), "short");
  EXPECT_EQ(shortened("longer", 5), "longe…");
  EXPECT_EQ(shortened("aa\xf0\x9f\xa6\x94zz", 4), "aa…");
  EXPECT_EQ(shortened("\xf0\x9f\xa6\x94", 2), "…");
  for (std::size_t size = 0; size < 12; ++size)
    EXPECT_TRUE(is_utf8(shortened("\xc3\xa4\xe2\x82\xac\xf0\x9f\xa6\x94", size)));
}

}  // namespace
}  // namespace syncflow
