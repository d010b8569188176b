#include "engine/state_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/uuid.h"

namespace syncflow {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class StateFile : public ::testing::Test {
 protected:
  StateFile() { fs::create_directories(folder_); }
  ~StateFile() override { fs::remove_all(folder_); }

  static StateRow row_of_keys(std::int64_t mapping) {
    return {state_table_named("sync_keys"), {mapping, std::int64_t{0}, hash_text({0x0123456789abcdef, 7})}};
  }
  static StateRow mapping(const std::string& position) {
    StateRow row{state_table_named("sync_mappings"), {}};
    row.cells.resize(row.table->columns.size());
    row.cell("id") = std::int64_t{9'007'199'254'740'993};
    row.cell("position") = position;
    return row;
  }
  void write(const std::vector<StateRow>& rows) {
    StateFileWriter writer(file_, Time(1s));
    for (const StateRow& row : rows) writer.add(row);
    writer.finish();
  }
  std::vector<StateRow> read() {
    StateFileReader reader(file_);
    std::vector<StateRow> rows;
    while (const auto row = reader.next()) rows.push_back(*row);
    return rows;
  }
  std::string refusal() {
    try {
      read();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config) << error.what();
      std::string text = error.what();
      return text.substr(text.find(":") + 1);
    }
    return "";
  }
  std::string content() {
    std::ifstream in(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void set_content(const std::string& text) { std::ofstream(file_, std::ios::binary) << text; }

  const fs::path folder_ = fs::temp_directory_path() / ("syncflow-" + random_uuid());
  const fs::path file_ = folder_ / "state.jsonl";
};

TEST_F(StateFile, GivesBackWhatWasWrittenWithAnyBytes) {
  const std::string bytes("\xff\0\"\n", 4);
  write({mapping(bytes), mapping(""), row_of_keys(3)});
  const std::vector<StateRow> rows = read();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].cells, mapping(bytes).cells);
  EXPECT_EQ(rows[1].cells, mapping("").cells);
  EXPECT_EQ(rows[2].cells, row_of_keys(3).cells);
  EXPECT_EQ(rows[2].table->name, "sync_keys");
}

TEST_F(StateFile, IsItsOwnersAlone) {
  write({});
  struct stat status {};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(StateFile, IsThereOnlyWhenItIsWhole) {
  {
    StateFileWriter writer(file_, Time(1s));
    writer.add(row_of_keys(1));
    EXPECT_FALSE(fs::exists(file_));
  }
  EXPECT_TRUE(fs::is_empty(folder_)) << "what was not finished stays behind";
}

TEST_F(StateFile, TakesNoOtherFilesPlace) {
  set_content("mine");
  EXPECT_THROW(write({}), Error);
  EXPECT_EQ(content(), "mine");
}

TEST_F(StateFile, RefusesWhatIsNone) {
  set_content("id,name\n1,a\n");
  EXPECT_EQ(refusal(), "1: this is no file that `syncflow state export` wrote");
  set_content("{}\n");
  EXPECT_EQ(refusal(), "1: this is no file that `syncflow state export` wrote");
  set_content("");
  EXPECT_EQ(refusal(), "1: the file ends before its end: it was cut");
}

TEST_F(StateFile, RefusesANewerOne) {
  set_content("{\"format\":\"syncflow state\",\"version\":2,\"exported_at\":\"2024-01-01T00:00:00Z\"}\n");
  EXPECT_EQ(refusal(), "1: a newer syncflow wrote it: its version is 2, this program knows 1");
}

TEST_F(StateFile, RefusesOneThatWasCutAnywhere) {
  write({mapping("p"), row_of_keys(1), row_of_keys(2)});
  const std::string whole = content();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    set_content(whole.substr(0, length));
    EXPECT_THROW(read(), Error) << "cut after " << length << " bytes";
  }
}

TEST_F(StateFile, RefusesOneThatWasChanged) {
  write({mapping("p"), row_of_keys(1), row_of_keys(2)});
  std::string text = content();
  text.replace(text.find("[1,0,"), 5, "[2,0,");
  set_content(text);
  EXPECT_EQ(refusal(), "7: the checksum is another one: the file was changed");
  text.replace(text.find("[2,0,"), 5, "[2,\"\",");
  set_content(text);
  EXPECT_EQ(refusal(), "5: the file was changed: key_set of sync_keys is of another kind");
}

}  // namespace
}  // namespace syncflow
