#include <fmt/core.h>

#include <filesystem>

#include "drivers/sqlite/database.h"
#include "support/database.h"

namespace syncflow::tests {
namespace {

class SqliteSession final : public Session {
 public:
  explicit SqliteSession(const std::string& file)
      : database_(file, sqlite::OpenMode::create, std::chrono::seconds(60)) {}

  void execute(const std::string& sql) override { database_.execute(sql); }

  std::vector<Row> rows(const std::string& sql) override {
    sqlite::Statement statement = database_.prepare(sql);
    std::vector<Row> all;
    while (statement.step()) {
      Row& row = all.emplace_back();
      for (int column = 0; column < statement.columns(); ++column)
        row.push_back(statement.is_null(column) ? std::nullopt : std::optional(statement.string(column)));
    }
    return all;
  }

 private:
  sqlite::Database database_;
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(const std::string& folder, const std::string& name) : file_(folder + "/" + name) {
    SqliteSession{file_};
  }
  ~SqliteDatabase() override {
    for (const char* part : {"", "-wal", "-shm"}) std::filesystem::remove(file_ + part);
  }

  std::unique_ptr<Session> log_in() override { return std::make_unique<SqliteSession>(file_); }
  // Of no bytes at all SQLite makes an empty text.
  std::string hex(const std::string& column) const override {
    return fmt::format("iif({0} IS NULL, NULL, lower(hex({0})))", column);
  }
  std::string address() const override { return file_; }
  std::string connection() const override { return fmt::format("{{provider: sqlite, path: \"{}\"}}", file_); }

 private:
  std::string file_;
};

}  // namespace

std::unique_ptr<Database> make_sqlite_database(const std::string& folder, const std::string& name) {
  return std::make_unique<SqliteDatabase>(folder, name);
}

std::unique_ptr<Session> log_in_to_sqlite(const std::string& file) {
  return std::make_unique<SqliteSession>(file);
}

}  // namespace syncflow::tests
