#include "testkit/postgresql_database.h"

#include <cstdlib>

#include "core/error.h"
#include "core/uuid.h"

namespace syncflow::testkit {
namespace {

constexpr const char* kVariable = "SYNCFLOW_TEST_POSTGRESQL_URL";

libpq::Target server() {
  const char* url = std::getenv(kVariable);
  if (!url) throw Error(ErrorKind::bug, std::string(kVariable) + " is not set");
  const Url parsed = parse_url(url);
  libpq::Target target;
  target.host = parsed.host;
  target.port = parsed.port;
  target.user = parsed.user;
  target.password = parsed.password;
  target.database = parsed.path.substr(parsed.path.starts_with('/') ? 1 : 0);
  target.application_name = "syncflow test";
  return target;
}

std::string unique_name(const std::string& prefix) {
  std::string name = prefix + random_uuid();
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
}

}  // namespace

bool has_postgresql() { return std::getenv(kVariable) != nullptr; }

PostgresDatabase::PostgresDatabase(const std::string& settings)
    : target_(server()), name_(unique_name("t_")) {
  libpq::Session(target_, {}).execute("CREATE DATABASE " + name_ + " " + settings);
  target_.database = name_;
  session_ = connect();
}

PostgresDatabase::~PostgresDatabase() {
  session_.reset();
  try {
    libpq::Session session(server(), {});
    session.execute("DROP DATABASE " + name_ + " WITH (FORCE)");
    for (const std::string& role : roles_) session.execute("DROP ROLE " + role);
  } catch (const Error& error) {
    std::fprintf(stderr, "a test database is left behind: %s\n", error.what());
  }
}

Options PostgresDatabase::options(const std::string& user) const {
  Options options;
  options.set("host", target_.host);
  options.set("port", std::to_string(target_.port));
  options.set("user", user.empty() ? target_.user : user);
  if (!target_.password.empty()) options.set("password", target_.password.reveal());
  options.set("database", name_);
  return options;
}

std::string PostgresDatabase::url() const {
  const std::string password = target_.password.empty() ? "" : ":" + target_.password.reveal();
  return "postgresql://" + target_.user + password + "@" + target_.host + ":" + std::to_string(target_.port) +
         "/" + name_;
}

libpq::Rows PostgresDatabase::run(const std::string& sql) { return session_->execute(sql); }

std::string PostgresDatabase::value(const std::string& sql) {
  const libpq::Rows rows = run(sql);
  if (rows.size() != 1)
    throw Error(ErrorKind::bug, sql + " gave " + std::to_string(rows.size()) + " rows, not one");
  return rows.string(0, 0);
}

std::string PostgresDatabase::rows(const std::string& sql) {
  const libpq::Rows rows = run(sql);
  std::string out;
  for (int row = 0; row < rows.size(); ++row) {
    if (row > 0) out += '\n';
    for (int column = 0; column < rows.columns(); ++column) {
      if (column > 0) out += '|';
      out += rows.is_null(row, column) ? "NULL" : rows.string(row, column);
    }
  }
  return out;
}

std::unique_ptr<libpq::Session> PostgresDatabase::connect(const std::string& user) {
  libpq::Target target = target_;
  if (!user.empty()) target.user = user;
  return std::make_unique<libpq::Session>(target, std::stop_token());
}

std::string PostgresDatabase::create_role(const std::string& purpose, const std::string& attributes) {
  const std::string role = unique_name(purpose + "_");
  run("CREATE ROLE " + role + " LOGIN " + attributes);
  roles_.push_back(role);
  return role;
}

}  // namespace syncflow::testkit
