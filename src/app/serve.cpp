#include "app/serve.h"

#include <fmt/core.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <optional>
#include <ostream>

#include "api/guard.h"
#include "api/handlers.h"
#include "api/open_files.h"
#include "api/server.h"
#include "cli/interrupts.h"
#include "cli/stores.h"
#include "core/json.h"
#include "core/log.h"
#include "core/secrets.h"
#include "engine/engine.h"
#include "store/process_lock.h"

namespace syncflow::app {
namespace {

api::Address checked_address(const std::string& listen, const Secret& key) {
  api::Address address = api::parse_address(listen);
  if (key.empty() && !api::is_loopback(address.host))
    throw Error(
        ErrorKind::bad_config,
        fmt::format(
            "--listen {} is open to other machines, and there is no SYNCFLOW_API_KEY to keep strangers out; "
            "set one, or listen on 127.0.0.1",
            listen));
  return address;
}

void announce(const cli::Invocation& line, const Config& config, const api::Address& address,
              std::ostream& out) {
  const std::string url = "http://" + api::to_text(address);
  if (line.json) {
    out << to_json_text(boost::json::object{
               {"listening", url},
               {"store", cli::is_shared_store(config) ? cli::store_name(config) : config.store},
               {"syncs", config.syncs.size()},
               {"pid", static_cast<std::int64_t>(getpid())}})
        << "\n";
  } else {
    out << fmt::format(
        "syncflow " SYNCFLOW_VERSION " listens on {} and keeps {} {} in step; the store is {}\n", url,
        config.syncs.size(), config.syncs.size() == 1 ? "sync" : "syncs", cli::store_name(config));
  }
  out << std::flush;
}

}  // namespace

int serve(const cli::Invocation& line, const Config& config, const Secret& key,
          const cli::Surroundings& with) {
  never_show(key.reveal());
  const api::Address wanted = checked_address(line.listen, key);
  cli::Interrupts interrupts;  // before anything that starts threads
  api::Limits limits;
  limits.connections = api::connections_within(api::raise_open_files(api::open_files_for(limits.connections)),
                                               limits.connections);
  std::optional<ProcessLock> lock;
  if (!cli::is_shared_store(config)) lock.emplace(cli::store_file(config));
  const std::unique_ptr<Store> store = cli::open_store(config, with.clock);
  // What earlier processes held; on a shared store others may be at work, and leases run out.
  if (lock) store->release_all();
  Engine engine({*store, with.providers, with.clock, config, {}});
  engine.apply_config();
  api::Server server(wanted, api::make_handler({*store, with.providers, config.connections, key}), with.clock,
                     limits, api::is_quick);
  engine.start();
  announce(line, config, server.address(), with.out);
  interrupts.wait();
  log::info("Asked to stop: finishing or handing back the work in hand.");
  server.stop();
  engine.stop();
  log::info("Stopped.");
  return 0;
}

}  // namespace syncflow::app
