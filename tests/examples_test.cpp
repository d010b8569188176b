// Every file in examples/ is run as its own comment says, on real servers, so that none of them can rot.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/clock.h"
#include "core/text.h"
#include "support/database.h"
#include "support/program.h"

namespace syncflow::tests {
namespace {

using ::testing::SizeIs;

const std::filesystem::path kExamples = SYNCFLOW_ROOT "/examples";

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// What stands between the first `before` and the next `after`.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
  const std::size_t from = text.find(before);
  if (from == std::string::npos) return "";
  const std::size_t begin = from + before.size();
  return text.substr(begin, text.find(after, begin) - begin);
}

std::string now_without_zone() {
  const std::string now = to_rfc3339(SystemClock().now());
  return now.substr(0, now.size() - 1);
}

/// One example, on one of the servers that speak MySQL's protocol where it names such a one.
struct Example {
  std::string file;
  const char* mysql_url = nullptr;
};
void PrintTo(const Example& example, std::ostream* out) { *out << example.file; }

std::vector<Example> all_examples() {
  std::vector<Example> all;
  for (const auto& entry : std::filesystem::directory_iterator(kExamples)) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string file = entry.path().filename();
    if (contains(content_of(entry.path()), "provider: mysql")) {
      all.push_back({file, kMariadbUrl});
      all.push_back({file, kMysqlUrl});
    } else {
      all.push_back({file});
    }
  }
  std::sort(all.begin(), all.end(), [](const Example& a, const Example& b) { return a.file < b.file; });
  return all;
}

std::string name_of(const ::testing::TestParamInfo<Example>& info) {
  std::string name = std::filesystem::path(info.param.file).stem();
  if (info.param.mysql_url == kMysqlUrl) name += "_on_mysql";
  if (info.param.mysql_url == kMariadbUrl) name += "_on_mariadb";
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class Examples : public Scenario, public ::testing::WithParamInterface<Example> {
 protected:
  /// Makes what the lines below `connections:` name, and puts the addresses where they look for them.
  void make_connections(const std::string& yaml) {
    for (const std::string& line : split(between(yaml, "\nconnections:\n", "\nsyncs:"), '\n')) {
      const std::string provider = between(line, "provider: ", ",");
      if (provider.empty()) continue;
      auto database = make_database(provider, between(line, "path: ", "}"));
      const std::string variable = between(line, "${", "}");
      if (!variable.empty()) environment[variable] = database->address();
      if (contains(line, "  shop:")) shop_ = database->log_in();
      databases_.push_back(std::move(database));
    }
  }

  std::unique_ptr<Database> make_database(const std::string& provider, const std::string& file) {
    if (provider == "postgresql") return make_postgresql_database();
    if (provider == "mysql")
      return make_mysql_database(GetParam().mysql_url == kMysqlUrl ? Flavour::mysql : Flavour::mariadb);
    if (provider == "sqlite") return make_sqlite_database(folder(), file);
    throw std::runtime_error("no test knows how to make a database of " + provider);
  }

  std::vector<Report> run_example() { return run_syncs({"-c", GetParam().file}); }

  /// The figures of all mappings that read this table, with or without a schema before its name.
  static Figures figures_of(const std::string& table, const std::vector<Report>& reports) {
    Figures sum;
    for (const Report& report : reports)
      for (const Report& part : report.tables)
        if (part.source == table || contains(part.source, "." + table)) {
          sum.read += part.figures.read;
          sum.written += part.figures.written;
          sum.deleted += part.figures.deleted;
        }
    return sum;
  }

  std::vector<std::unique_ptr<Database>> databases_;
  std::unique_ptr<Session> shop_;
};

TEST_P(Examples, LoadsItsTablesThenOnlyWhatChanges) {
  const std::string yaml = content_of(kExamples / GetParam().file);
  if (contains(yaml, "provider: postgresql") && !is_set(kPostgresqlUrl))
    GTEST_SKIP() << not_set(kPostgresqlUrl);
  if (GetParam().mysql_url != nullptr && !is_set(GetParam().mysql_url))
    GTEST_SKIP() << not_set(GetParam().mysql_url);
  write_file(GetParam().file, yaml);
  make_connections(yaml);
  ASSERT_TRUE(shop_) << "the connection \"shop\" is the one that is filled from shop.sql";
  shop_->execute(content_of(kExamples / "shop.sql"));

  const Finished validated = run({"validate", "--online", "-c", GetParam().file});
  EXPECT_EQ(validated.exit, Exit{0}) << validated;

  const std::vector<Report> first = run_example();
  EXPECT_EQ(figures_of("customers", first).read, 4);
  EXPECT_GT(figures_of("customers", first).written, 0);
  for (const Report& report : run_example()) EXPECT_TRUE(report.figures.nothing_done()) << report;

  shop_->execute(
      fmt::format("UPDATE customers SET country = 'FR', updated_at = '{}' WHERE id = 2;"
                  "DELETE FROM countries WHERE code = 'SE'",
                  now_without_zone()));
  const std::vector<Report> changed = run_example();
  EXPECT_EQ(figures_of("customers", changed).written, 1);
  const bool compares_countries =
      contains(yaml, "source: countries") || contains(yaml, "source: public.countries");
  EXPECT_EQ(figures_of("countries", changed).deleted, compares_countries ? 1 : 0);
  for (const Report& report : run_example()) EXPECT_TRUE(report.figures.nothing_done()) << report;
}

INSTANTIATE_TEST_SUITE_P(All, Examples, ::testing::ValuesIn(all_examples()), name_of);

class Sample : public Scenario {};

TEST_F(Sample, IsInStepAfterOneRun) {
  Process prepare({{kExamples / "sample" / "prepare.sh", folder()}, folder(), "prepare", {}});
  ASSERT_EQ(prepare.wait(), Exit{0}) << prepare.story();
  const std::vector<Report> reports = run_syncs();
  EXPECT_THAT(reports, SizeIs(2));
  for (const Report& report : reports) EXPECT_GT(report.figures.written, 0) << report;
  const auto copy = log_in_to_sqlite(folder() / "copy.db");
  EXPECT_EQ(copy->value("SELECT label FROM elements WHERE number = 118"), "Og = Oganesson");
  EXPECT_EQ(copy->value("SELECT count(*) FROM planets"), "8");
  for (const Report& report : run_syncs()) EXPECT_TRUE(report.figures.nothing_done()) << report;
}

}  // namespace
}  // namespace syncflow::tests
