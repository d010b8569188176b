#include "app/serve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>
#include <filesystem>
#include <iostream>

#include "core/error.h"
#include "core/uuid.h"
#include "testkit/http_client.h"
#include "testkit/memory_provider.h"

namespace syncflow::app {
namespace {

using namespace testkit;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// `syncflow serve --listen 127.0.0.1:0 --json` in a process of its own, over databases in memory.
class Service {
 public:
  Service(const std::filesystem::path& folder, const std::string& key = "") {
    int out[2];
    int err[2];
    if (pipe(out) != 0 || pipe(err) != 0) throw std::runtime_error("no pipe");
    // What a test program has not printed yet, the copy would print before its own lines.
    fflush(stdout);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      dup2(err[1], STDERR_FILENO);
      for (const int end : {out[0], out[1], err[0], err[1]}) close(end);
      _exit(work(folder, key));
    }
    close(out[1]);
    close(err[1]);
    out_ = fdopen(out[0], "r");
    err_ = fdopen(err[0], "r");
  }
  ~Service() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    fclose(out_);
    fclose(err_);
  }

  /// What it says once it listens; empty when it does not come that far.
  std::string announcement() {
    char line[1000] = {};
    return fgets(line, sizeof line, out_) == nullptr ? "" : line;
  }
  std::uint16_t port() {
    const auto announced = boost::json::parse(announcement());
    const std::string url(announced.at("listening").as_string());
    return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }
  void signal(int number) const { kill(pid_, number); }
  int exit_code() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  std::string errors() {
    std::string all;
    char line[1000];
    while (fgets(line, sizeof line, err_) != nullptr) all += line;
    return all;
  }
  pid_t pid() const { return pid_; }

  static Config config_in(const std::filesystem::path& folder) {
    Config config;
    config.store = "sqlite:" + (folder / "store.db").string();
    config.connections = {{"shop", "from", {}}, {"copy", "to", {}}};
    SyncDefinition sync;
    sync.name = "people";
    sync.id = url_uuid("syncflow:test/people");
    sync.source = "shop";
    sync.destination = "copy";
    sync.tables = {{}};
    sync.tables[0].source = sync.tables[0].destination = "people";
    config.syncs = {sync};
    return config;
  }

 private:
  static int work(const std::filesystem::path& folder, const std::string& key) {
    MemoryDatabase from;
    MemoryDatabase to;
    MemoryTable people;
    people.name = "people";
    people.fields = {memory_field("id", Type::int64, false), memory_field("updated_at", Type::timestamp_tz)};
    people.key = {"id"};
    people.cursor = "updated_at";
    from.create_table(people);
    from.put("people", {integer(1), instant(from.now())});
    const Registry providers({provider(from, "from"), provider(to, "to")});
    SystemClock clock;
    cli::Surroundings with{providers, clock,     [&](auto&, auto&) { return config_in(folder); },
                           {},        std::cout, std::cerr,
                           false,     {}};
    with.serve = [&](const cli::Invocation& line, const Config& config) {
      return serve(line, config, Secret(key), with);
    };
    return cli::command_line({"serve", "--listen", "127.0.0.1:0", "--json"}, with);
  }

  pid_t pid_ = -1;
  FILE* out_ = nullptr;
  FILE* err_ = nullptr;
};

class Serve : public ::testing::Test {
 protected:
  Serve() { std::filesystem::create_directories(folder_); }
  ~Serve() override { std::filesystem::remove_all(folder_); }

  static boost::json::value wait_until_over(HttpClient& client, const std::string& job) {
    for (;;) {
      const auto shown = client.get("/jobs/" + job).json();
      const auto& status = shown.at("job").at("status").as_string();
      if (status == "completed" || status == "failed") return shown;
    }
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("syncflow-" + random_uuid());
};

TEST_F(Serve, TakesAJobOverHttpAndDoesIt) {
  Service service(folder_);
  HttpClient client(service.port());
  EXPECT_EQ(client.get("/hello").status, 200);
  const std::string sync = url_uuid("syncflow:test/people");
  const auto asked =
      client.post("/jobs", R"({"syncId":")" + sync + R"(","teamId":"00000000-0000-4000-8000-000000000001"})");
  EXPECT_THAT(asked.status, ::testing::AnyOf(200, 201)) << "its own schedule may have asked first";
  const auto over = wait_until_over(client, std::string(asked.json().at("job").at("id").as_string()));
  EXPECT_EQ(over.at("job").at("status"), "completed") << over;
  EXPECT_EQ(client.get("/syncs/" + sync).json().at("sync").at("last_run").at("status"), "completed");
}

TEST_F(Serve, EndsWith0WhenItIsAskedToStop) {
  for (const int number : {SIGTERM, SIGINT}) {
    Service service(folder_);
    const std::uint16_t port = service.port();
    service.signal(number);
    EXPECT_EQ(service.exit_code(), 0) << service.errors();
    EXPECT_THROW(HttpClient{port}, std::runtime_error);
  }
}

TEST_F(Serve, LeavesAStoreToTheOneThatHasItAndNamesItsPid) {
  Service first(folder_);
  ASSERT_NE(first.announcement(), "");
  Service second(folder_);
  EXPECT_EQ(second.announcement(), "");
  EXPECT_EQ(second.exit_code(), 2);
  EXPECT_THAT(second.errors(), HasSubstr("pid " + std::to_string(first.pid())));
}

TEST_F(Serve, GoesOnAtOnceAfterACrash) {
  {
    Service first(folder_);
    ASSERT_NE(first.announcement(), "");
    first.signal(SIGKILL);
    EXPECT_EQ(first.exit_code(), -SIGKILL);
  }
  Service second(folder_);
  HttpClient client(second.port());
  EXPECT_EQ(client.get("/readyz").status, 200);
}

TEST_F(Serve, WantsTheKeyOnceThereIsOne) {
  Service service(folder_, "the key");
  HttpClient client(service.port());
  EXPECT_EQ(client.get("/jobs").status, 401);
  EXPECT_EQ(client.get("/jobs", {{"Authorization", "Bearer the key"}}).status, 200);
  EXPECT_EQ(client.get("/hello", {{"Host", "example.org"}}).status, 200);
}

TEST_F(Serve, IsOpenToOtherMachinesOnlyWithAKey) {
  const Registry providers({});
  SystemClock clock;
  const cli::Surroundings with{providers, clock, {}, {}, std::cout, std::cerr, false, {}};
  for (const char* listen : {"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"}) {
    cli::Invocation line;
    line.listen = listen;
    try {
      serve(line, Service::config_in(folder_), Secret(), with);
      ADD_FAILURE() << listen;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config);
      EXPECT_THAT(error.what(),
                  AllOf(StartsWith("--listen " + std::string(listen)), HasSubstr("SYNCFLOW_API_KEY")));
    }
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "store.db")) << "nothing was begun";
}

}  // namespace
}  // namespace syncflow::app
