#include <fmt/core.h>
#include <libpq-fe.h>

#include <stdexcept>

#include "support/database.h"
#include "support/url.h"

namespace syncflow::tests {
namespace {

struct Close {
  void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Close>;

class PostgresqlSession final : public Session {
 public:
  explicit PostgresqlSession(const std::string& url) : connection_(PQconnectdb(url.c_str())) {
    if (PQstatus(connection_.get()) != CONNECTION_OK)
      throw std::runtime_error(PQerrorMessage(connection_.get()));
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
    execute("SET client_encoding = 'UTF8'; SET timezone = 'UTC'");
  }

  void execute(const std::string& sql) override { run(sql); }

  std::vector<Row> rows(const std::string& sql) override {
    const Result result = run(sql);
    std::vector<Row> all(static_cast<std::size_t>(PQntuples(result.get())));
    for (int row = 0; row < PQntuples(result.get()); ++row)
      for (int column = 0; column < PQnfields(result.get()); ++column)
        all[static_cast<std::size_t>(row)].push_back(cell(result.get(), row, column));
    return all;
  }

  void copy(const std::string& target, const std::string& lines) {
    const std::string sql = "COPY " + target + " FROM STDIN";
    const Result begun(PQexec(connection_.get(), sql.c_str()));
    if (PQresultStatus(begun.get()) != PGRES_COPY_IN ||
        PQputCopyData(connection_.get(), lines.data(), static_cast<int>(lines.size())) != 1 ||
        PQputCopyEnd(connection_.get(), nullptr) != 1)
      fail(sql);
    const Result ended(PQgetResult(connection_.get()));
    if (PQresultStatus(ended.get()) != PGRES_COMMAND_OK) fail(sql);
    while (const Result more{PQgetResult(connection_.get())}) {
    }
  }

 private:
  [[noreturn]] void fail(const std::string& sql) {
    throw std::runtime_error(fmt::format("{}in: {}", PQerrorMessage(connection_.get()), sql));
  }

  static std::optional<std::string> cell(const PGresult* result, int row, int column) {
    if (PQgetisnull(result, row, column) != 0) return std::nullopt;
    return std::string(PQgetvalue(result, row, column),
                       static_cast<std::size_t>(PQgetlength(result, row, column)));
  }

  Result run(const std::string& sql) {
    Result result(PQexec(connection_.get(), sql.c_str()));
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(sql);
    return result;
  }

  std::unique_ptr<PGconn, Close> connection_;
};

class PostgresqlDatabase final : public Database {
 public:
  explicit PostgresqlDatabase(std::string server) : server_(std::move(server)), name_(unique_name()) {
    PostgresqlSession(server_).execute("CREATE DATABASE " + name_);
  }
  ~PostgresqlDatabase() override {
    try {
      PostgresqlSession(server_).execute("DROP DATABASE " + name_ + " WITH (FORCE)");
    } catch (const std::exception& problem) {
      fmt::print(stderr, "{} stays: {}\n", name_, problem.what());
    }
  }

  std::unique_ptr<Session> log_in() override {
    return std::make_unique<PostgresqlSession>(with_database(server_, name_));
  }
  std::string address() const override { return with_database(server_, name_); }
  std::string connection() const override {
    return fmt::format("{{provider: postgresql, url: \"{}\"}}", address());
  }
  std::string hex(const std::string& column) const override { return "encode(" + column + ", 'hex')"; }

 private:
  std::string server_, name_;
};

}  // namespace

std::unique_ptr<Database> make_postgresql_database() {
  return make_postgresql_database(value_of(kPostgresqlUrl));
}

std::unique_ptr<Database> make_postgresql_database(const std::string& server) {
  return std::make_unique<PostgresqlDatabase>(server);
}

std::unique_ptr<Session> log_in_to_postgresql(const std::string& url) {
  return std::make_unique<PostgresqlSession>(url);
}

void copy_into_postgresql(Session& session, const std::string& target, const std::string& lines) {
  dynamic_cast<PostgresqlSession&>(session).copy(target, lines);
}

}  // namespace syncflow::tests
