#include "providers/postgresql/login.h"

#include "core/error.h"
#include "providers/postgresql/open_transactions.h"

namespace syncflow::postgresql {
namespace {

constexpr std::string_view kKind = "reader";

/// Statements see one snapshot, write nothing, and wait only so long for whoever rebuilds the table. What a login
/// before may have set otherwise is set again.
constexpr const char* kReadOnly =
    "RESET search_path;"
    "SET default_transaction_read_only = on;"
    "SET default_transaction_isolation = 'repeatable read';"
    "SET lock_timeout = '60s';";

}  // namespace

Login::Login(const Settings& settings, const Resources& resources)
    : target_(settings.target), resources_(resources) {
  target_.application_name = kReaderName;
}

Login::~Login() {
  if (!kept_ || !resources_.sessions) return;
  libpq::Session& session = *kept_->session;
  if (!session.usable() || session.in_transaction()) {
    drop();
    return;
  }
  session.set_stop({});
  place_.session = std::move(kept_);
  resources_.sessions->keep(kKind, std::move(place_));
}

void Login::drop() {
  kept_.reset();
  place_ = {};
}

libpq::Session& Login::session() {
  if (kept_ && kept_->session->usable()) return *kept_->session;
  drop();
  if (!take_kept()) log_in();
  return *kept_->session;
}

/// False: none waits, or the one that did is no longer good.
bool Login::take_kept() {
  if (!resources_.sessions) return false;
  place_ = resources_.sessions->take(kKind, resources_.stop);
  if (!place_.session) return false;
  kept_.reset(static_cast<Kept*>(place_.session.release()));
  try {
    set_up();
    return true;
  } catch (const Error& error) {
    // The server was restarted, or closed what was idle: whoever comes now begins with a login of its own.
    if (error.kind() == ErrorKind::cancelled || kept_->session->usable()) throw;
    drop();
    place_ = resources_.sessions->take_fresh(kKind, resources_.stop);
    return false;
  }
}

void Login::log_in() {
  kept_ = std::make_unique<Kept>(std::make_unique<libpq::Session>(target_, resources_.stop));
  set_up();
}

void Login::set_up() {
  libpq::Session& session = *kept_->session;
  session.set_stop(resources_.stop);
  session.set_patience(kReadPatience);
  session.execute(kReadOnly + (search_path_.empty() ? std::string() : "SET search_path = " + search_path_));
}

void Login::use_search_path(const std::string& path) {
  session().execute("SET search_path = " + path);
  search_path_ = path;
}

}  // namespace syncflow::postgresql
