#include <fmt/core.h>
#include <mysql.h>

#include <boost/url.hpp>
#include <ostream>
#include <stdexcept>

#include "support/database.h"
#include "support/url.h"

namespace syncflow::tests {
namespace {

struct Close {
  void operator()(MYSQL* connection) const noexcept { mysql_close(connection); }
  void operator()(MYSQL_RES* result) const noexcept { mysql_free_result(result); }
};

class MysqlSession final : public Session {
 public:
  explicit MysqlSession(const std::string& address) : connection_(mysql_init(nullptr)) {
    const boost::urls::url_view url(address);
    mysql_options(connection_.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
    const std::string host(url.host());
    const std::string database = std::string(url.path()).substr(1);
    if (mysql_real_connect(connection_.get(), host.c_str(), url.user().c_str(), url.password().c_str(),
                           database.c_str(), url.port_number(), nullptr, CLIENT_MULTI_STATEMENTS) == nullptr)
      throw std::runtime_error(mysql_error(connection_.get()));
    execute("SET time_zone = '+00:00'");
  }

  void execute(const std::string& sql) override { run(sql); }

  std::vector<Row> rows(const std::string& sql) override {
    std::vector<Row> all;
    send(sql);
    do {
      if (const auto result = take()) append(*result, all);
    } while (next(sql));
    return all;
  }

 private:
  using Result = std::unique_ptr<MYSQL_RES, Close>;

  void run(const std::string& sql) {
    send(sql);
    do {
      take();
    } while (next(sql));
  }

  void send(const std::string& sql) {
    if (mysql_real_query(connection_.get(), sql.data(), sql.size()) != 0) fail(sql);
  }

  Result take() { return Result(mysql_store_result(connection_.get())); }

  bool next(const std::string& sql) {
    const int more = mysql_next_result(connection_.get());
    if (more > 0 || mysql_errno(connection_.get()) != 0) fail(sql);
    return more == 0;
  }

  static void append(MYSQL_RES& result, std::vector<Row>& all) {
    const unsigned columns = mysql_num_fields(&result);
    while (const MYSQL_ROW cells = mysql_fetch_row(&result)) {
      const unsigned long* lengths = mysql_fetch_lengths(&result);
      Row& row = all.emplace_back();
      for (unsigned column = 0; column < columns; ++column)
        row.push_back(cells[column] == nullptr ? std::nullopt
                                               : std::optional(std::string(cells[column], lengths[column])));
    }
  }

  [[noreturn]] void fail(const std::string& sql) {
    throw std::runtime_error(fmt::format("{} in: {}", mysql_error(connection_.get()), sql));
  }

  std::unique_ptr<MYSQL, Close> connection_;
};

class MysqlDatabase final : public Database {
 public:
  explicit MysqlDatabase(std::string server) : server_(std::move(server)), name_(unique_name()) {
    MysqlSession(server_).execute("CREATE DATABASE " + name_);
  }
  ~MysqlDatabase() override {
    try {
      MysqlSession(server_).execute("DROP DATABASE " + name_);
    } catch (const std::exception& problem) {
      fmt::print(stderr, "{} stays: {}\n", name_, problem.what());
    }
  }

  std::unique_ptr<Session> log_in() override {
    return std::make_unique<MysqlSession>(with_database(server_, name_));
  }
  std::string address() const override { return with_database(server_, name_); }
  std::string connection() const override {
    return fmt::format("{{provider: mysql, url: \"{}\"}}", address());
  }

 private:
  std::string server_, name_;
};

}  // namespace

const char* name_of(Flavour flavour) { return flavour == Flavour::mysql ? "mysql" : "mariadb"; }

std::ostream& operator<<(std::ostream& out, Flavour flavour) { return out << name_of(flavour); }

std::unique_ptr<Database> make_mysql_database(Flavour flavour) {
  return make_mysql_database(value_of(flavour == Flavour::mysql ? kMysqlUrl : kMariadbUrl));
}

std::unique_ptr<Database> make_mysql_database(const std::string& server) {
  return std::make_unique<MysqlDatabase>(server);
}

std::unique_ptr<Session> log_in_to_mysql(const std::string& url) {
  return std::make_unique<MysqlSession>(url);
}

}  // namespace syncflow::tests
