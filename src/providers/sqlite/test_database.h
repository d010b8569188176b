#pragma once

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "providers/sqlite/codec.h"
#include "providers/sqlite/provider.h"
#include "testkit/database_case.h"

namespace syncflow::sqlite {

/// A SQLite file in a folder of its own. For tests.
class TestFile : public testkit::TestDatabase {
 public:
  explicit TestFile(const std::string& journal_mode = "wal", Options options = {}, Clock* clock = nullptr)
      : clock_(clock ? clock : &own_clock_) {
    std::string pattern = std::filesystem::temp_directory_path() / "syncflow-sqlite-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    options.set("path", path());
    own_ = std::make_unique<Database>(path(), OpenMode::create, std::chrono::seconds(5));
    own_->prepare("PRAGMA journal_mode = " + journal_mode).run();
    own_->execute("PRAGMA user_version = 1; PRAGMA synchronous = OFF");
    connection_ = provider().connect(options, Resources{*clock_, stop_.get_token()});
  }

  ~TestFile() override {
    connection_.reset();
    own_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string path() const { return folder_ + "/data.db"; }
  Connection& connection() override { return *connection_; }
  std::stop_source& stop() override { return stop_; }

  void run(const std::string& sql) override { own_->execute(sql); }

  std::vector<testkit::TextRow> query(const std::string& sql) override {
    std::vector<testkit::TextRow> rows;
    Statement statement = own_->prepare(sql);
    while (statement.step()) {
      testkit::TextRow& row = rows.emplace_back();
      for (int i = 0; i < statement.columns(); ++i)
        row.push_back(statement.is_null(i) ? std::nullopt : std::optional(statement.string(i)));
    }
    return rows;
  }

  class FileSession : public testkit::Session {
   public:
    explicit FileSession(const std::string& path)
        : database_(path, OpenMode::read_write, std::chrono::seconds(5)) {}
    void run(const std::string& sql) override { database_.execute(sql); }

   private:
    Database database_;
  };
  std::unique_ptr<testkit::Session> open_session() override { return std::make_unique<FileSession>(path()); }

 private:
  SystemClock own_clock_;
  Clock* clock_;
  std::string folder_;
  std::stop_source stop_;
  std::unique_ptr<Database> own_;
  std::unique_ptr<Connection> connection_;
};

inline testkit::Dialect test_dialect() {
  testkit::Dialect dialect;
  dialect.integer = "INTEGER";
  dialect.key_text = "TEXT";
  dialect.ascending_key = "INTEGER PRIMARY KEY AUTOINCREMENT";
  dialect.begin = "BEGIN IMMEDIATE";
  dialect.longest_identifier = 200;
  return dialect;
}

}  // namespace syncflow::sqlite
