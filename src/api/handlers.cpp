#include "api/handlers.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>

#include "api/guard.h"
#include "api/metrics_page.h"
#include "api/openapi.h"
#include "api/router.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/text.h"
#include "core/uuid.h"
#include "engine/counting.h"
#include "engine/json_view.h"

namespace syncflow::api {
namespace {

constexpr std::size_t kMostOnAPage = 1000;

Response answer(int status, const boost::json::value& body) {
  Response response;
  response.status = status;
  response.body = to_json_text(body);
  return response;
}

std::string checked_uuid(const std::string& text, std::string_view name) {
  if (!is_uuid(text)) throw BadRequest(fmt::format("{} must be a UUID, not \"{}\"", name, shortened(text)));
  return ascii_lower(text);
}

// --- what is asked for ---

std::string uuid_parameter(const Query& query, std::string_view name) {
  const std::string text = query.get(name);
  return text.empty() ? text : checked_uuid(text, name);
}

std::size_t limit_of(const Query& query) {
  const std::string text = query.get("limit");
  if (text.empty()) return 100;
  std::size_t limit = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (problem != std::errc() || end != text.data() + text.size() || limit == 0)
    throw BadRequest(fmt::format("limit must be a number from 1 to {}", kMostOnAPage));
  return std::min(limit, kMostOnAPage);
}

Page page_of(const Query& query) {
  Page page;
  page.team_id = uuid_parameter(query, "team_id");
  page.sync_id = uuid_parameter(query, "sync_id");
  page.limit = limit_of(query);
  page.cursor = query.get("cursor");
  return page;
}

/// The page that `list` gives. The store judges a cursor; which parameter that was, it does not know.
template <typename List>
auto on_page(const Page& page, List list) {
  try {
    return list(page);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::bad_config || page.cursor.empty()) throw;
    throw BadRequest(fmt::format("cursor is \"{}\"; it must be what the page before gave as next",
                                 shortened(page.cursor)));
  }
}

std::string checked_status(const Query& query) {
  const std::string status = query.get("status");
  if (!status.empty() && !job_status_named(status))
    throw BadRequest(fmt::format("status is \"{}\"; it must be pending, processing, completed or failed",
                                 shortened(status)));
  return status;
}

bool is_json(std::string_view content_type) {
  std::string type = ascii_lower(std::string(content_type.substr(0, content_type.find(';'))));
  type.erase(type.find_last_not_of(" \t") + 1);
  return type == "application/json";
}

/// A body of another type is refused: a form or a plain text may come from any web page without asking first.
std::optional<Response> refuse_type(const Request& request) {
  if (is_json(request.header("content-type"))) return std::nullopt;
  return problem(415, "the body must be JSON, with the header \"Content-Type: application/json\"");
}

boost::json::object json_body(const Request& request) {
  boost::json::error_code broken;
  boost::json::value body = boost::json::parse(request.body, broken);
  if (broken) throw BadRequest("the body is not JSON: " + broken.message());
  if (!body.is_object()) throw BadRequest("the body must be a JSON object");
  return std::move(body.as_object());
}

std::string uuid_member(const boost::json::object& body, std::string_view name) {
  const boost::json::value* member = body.if_contains(name);
  if (member == nullptr || member->is_null())
    throw BadRequest(fmt::format("the member {} is missing; it must be a UUID", name));
  if (!member->is_string()) throw BadRequest(fmt::format("{} must be a UUID in a string", name));
  return checked_uuid(std::string(member->as_string()), name);
}

// --- what is answered ---

template <typename T, typename Show>
Response listed(std::string_view name, const Listed<T>& found, Show show) {
  boost::json::array items;
  for (const T& item : found.items) items.push_back(show(item));
  return answer(200, boost::json::object{{name, std::move(items)},
                                         {"next", found.next.empty() ? boost::json::value(nullptr)
                                                                     : boost::json::value(found.next)}});
}

/// The method as a metric shows it: clients may send any word.
std::string_view counted_method(std::string_view method) {
  static constexpr std::array<std::string_view, 7> kKnown = {"GET",   "HEAD",   "POST",   "PUT",
                                                             "PATCH", "DELETE", "OPTIONS"};
  const auto* known = std::find(kKnown.begin(), kKnown.end(), method);
  return known == kKnown.end() ? "other" : *known;
}

/// For the log; empty: no job, or an id that is none.
std::string job_named_by(const Request& request, std::string_view pattern) {
  static constexpr std::string_view kJobs = "/jobs/";
  if (pattern.substr(0, kJobs.size()) != kJobs) return "";
  const std::string_view rest = request.path().substr(kJobs.size());
  std::string id(rest.substr(0, rest.find('/')));
  return is_uuid(id) ? id : "";
}

/// What is thrown, as an answer. What the caller can mend is said, and what passes by itself; the rest in the log.
Response failure(const Error& error) {
  if (dynamic_cast<const BadRequest*>(&error) != nullptr) return problem(400, error.what());
  count_failure(error.kind(), "request");
  const std::string kind(name_of(error.kind()));
  switch (error.kind()) {
    case ErrorKind::unavailable:
    case ErrorKind::conflict:
    case ErrorKind::rate_limited:
    case ErrorKind::cancelled:
      log::warn("A request could not be answered for now.", {{"error", error.what()}, {"kind", kind}});
      return problem(503, error.what());
    case ErrorKind::bad_config:
    case ErrorKind::not_found:
    case ErrorKind::unauthorized:
    case ErrorKind::forbidden:
      log::error("The store cannot be used.", {{"error", error.what()}, {"kind", kind}});
      return problem(503, "the store cannot be used; the service's log says why");
    default:
      log::error("A request failed.", {{"error", error.what()}, {"kind", kind}});
      return problem(500, "the service failed at this request; its log says why");
  }
}

class Handlers {
 public:
  explicit Handlers(Backend backend)
      : store_(backend.store),
        providers_(backend.providers),
        connections_(backend.connections),
        guard_(std::move(backend.key)) {
    for (const Answering& each : kAnswering)
      router_.add(each.method, each.pattern,
                  [this, answers = each.answers](const auto& request, const auto& id) {
                    return (this->*answers)(request, id);
                  });
  }

  Response handle(const Request& request) const {
    const auto began = store_.clock().monotonic();
    const std::string_view pattern = router_.pattern_of(request.path());
    const std::string route(pattern.empty() ? "none" : pattern);
    const log::Scope scope{{"route", route}, {"job", job_named_by(request, pattern)}};
    Response response = answered(request);
    const auto time = store_.clock().monotonic() - began;
    const std::string_view method = counted_method(request.method);
    metrics::count(metrics::Counter::http_requests, {route, method, std::to_string(response.status)});
    metrics::observe(metrics::Timing::http_request, time, {route, method});
    return response;
  }

  struct Answering {
    const char* method;
    const char* pattern;
    Response (Handlers::*answers)(const Request&, const std::string&) const;
  };
  static const std::array<Answering, 15> kAnswering;

 private:
  Response answered(const Request& request) const {
    if (std::optional<Response> refused = guard_.refuse(request)) return *refused;
    try {
      return router_.route(request);
    } catch (const Error& error) {
      return failure(error);
    } catch (const std::exception& error) {
      return failure(Error(ErrorKind::bug, error.what()));
    }
  }

  Response hello(const Request& request, const std::string&) const {
    boost::json::object input;
    const Query query(request);
    for (const auto& [name, value] : query.all()) input[name] = value;
    return answer(
        200, boost::json::object{{"message", "Data Sync Service is running!"}, {"input", std::move(input)}});
  }

  Response alive(const Request&, const std::string&) const {
    return answer(200, boost::json::object{{"status", "ok"}});
  }

  Response ready(const Request&, const std::string&) const {
    store_.ping();
    return answer(200, boost::json::object{{"status", "ready"}});
  }

  Response scrape(const Request&, const std::string&) const {
    Response response;
    response.content_type = kMetricsType;
    response.body = metrics_page(store_);
    return response;
  }

  Response openapi(const Request&, const std::string&) const {
    Response response;
    response.body = openapi_document();
    return response;
  }

  Response syncs(const Request& request, const std::string&) const {
    return listed(
        "syncs",
        on_page(page_of(Query(request)), [this](const Page& page) { return store_.list_syncs(page); }),
        [this](const Sync& sync) { return to_json(sync, last_run(sync)); });
  }

  Response sync(const Request& request, const std::string& id) const {
    const std::optional<Sync> sync = find_sync(id, uuid_parameter(Query(request), "team_id"));
    if (!sync) return no_such("sync", id);
    return answer(200, boost::json::object{{"sync", to_json(*sync, last_run(*sync))}});
  }

  Response jobs(const Request& request, const std::string&) const {
    const Query query(request);
    Page page = page_of(query);
    page.status = checked_status(query);
    return listed("jobs", on_page(page, [this](const Page& at) { return store_.list_jobs(at); }),
                  [](const Job& job) { return to_json(job); });
  }

  Response job(const Request& request, const std::string& id) const {
    const std::optional<Job> job = find_job(request, id);
    if (!job) return no_such("job", id);
    boost::json::array runs;
    for (const Run& run : store_.runs_of_job(job->id)) runs.push_back(to_json(run));
    return answer(200, boost::json::object{{"job", to_json(*job)}, {"runs", std::move(runs)}});
  }

  Response create_job(const Request& request, const std::string&) const {
    if (std::optional<Response> refused = refuse_type(request)) return *refused;
    const boost::json::object body = json_body(request);
    const std::string sync_id = uuid_member(body, "syncId");
    const std::string team_id = uuid_member(body, "teamId");
    const std::optional<Sync> sync = find_sync(sync_id, team_id);
    if (!sync) return problem(404, fmt::format("team {} has no sync {}", team_id, sync_id));
    if (std::optional<Response> stopped = refuse_stopped(*sync)) return *stopped;
    const Store::Enqueued asked = store_.enqueue(sync->id, Trigger::manual, kPersonPriority);
    return answer(asked.created ? 201 : 200,
                  boost::json::object{{"message", asked.created ? "Data sync job created successfully"
                                                                : "Data sync job already pending"},
                                      {"job", job_receipt(asked.job)}});
  }

  Response retry(const Request& request, const std::string& id) const {
    return change_job(request, id, &Store::retry_job, "only a failed job can be tried again");
  }

  Response cancel(const Request& request, const std::string& id) const {
    return change_job(request, id, &Store::cancel_job, "only a pending or processing job can be cancelled");
  }

  Response runs(const Request& request, const std::string&) const {
    return listed(
        "runs", on_page(page_of(Query(request)), [this](const Page& page) { return store_.list_runs(page); }),
        [](const Run& run) { return to_json(run); });
  }

  Response connections(const Request& request, const std::string&) const {
    const Page page = page_of(Query(request));
    Listed<ConnectionConfig> found;
    for (const ConnectionConfig& connection : sorted_connections()) {
      if (connection.name <= page.cursor) continue;
      if (found.items.size() == page.limit) {
        found.next = found.items.back().name;
        break;
      }
      found.items.push_back(connection);
    }
    return listed("connections", found,
                  [this](const ConnectionConfig& connection) { return shown(connection); });
  }

  Response quarantine(const Request& request, const std::string&) const {
    return listed(
        "rejections",
        on_page(page_of(Query(request)), [this](const Page& page) { return store_.list_quarantine(page); }),
        [](const QuarantinedRow& row) { return to_json(row); });
  }

  /// Nothing when it is unknown or another team's; `team_id` empty: of any team.
  std::optional<Sync> find_sync(const std::string& id, const std::string& team_id) const {
    std::optional<Sync> sync = store_.find_sync(ascii_lower(id));
    if (sync && !team_id.empty() && ascii_lower(sync->team_id) != team_id) return std::nullopt;
    return sync;
  }

  std::optional<Job> find_job(const Request& request, const std::string& id) const {
    const std::string team_id = uuid_parameter(Query(request), "team_id");
    std::optional<Job> job = store_.find_job(ascii_lower(id));
    if (job && !team_id.empty() && ascii_lower(job->team_id) != team_id) return std::nullopt;
    return job;
  }

  static Response no_such(std::string_view what, const std::string& id) {
    return problem(404, is_uuid(id) ? fmt::format("there is no {} {}", what, id)
                                    : fmt::format("there is no such {}; its id is a UUID", what));
  }

  static std::optional<Response> refuse_stopped(const Sync& sync) {
    if (sync.status != SyncStatus::active)
      return problem(
          409, fmt::format("sync {} is {}; set its status to active first", sync.name, name_of(sync.status)));
    if (!sync.hold) return std::nullopt;
    // The one hold that says the set-up itself cannot work, whenever it is asked for.
    if (sync.hold->kind == "table_size") return problem(422, hold_in_words(sync));
    return problem(409, fmt::format("sync {} is on hold: {}", sync.name, hold_in_words(sync)));
  }

  Response change_job(const Request& request, const std::string& id,
                      std::optional<Job> (Store::*change)(const std::string&), std::string_view rule) const {
    if (!request.body.empty() || !request.header("content-type").empty())
      if (std::optional<Response> refused = refuse_type(request)) return *refused;
    const std::optional<Job> job = find_job(request, id);
    if (!job) return no_such("job", id);
    const std::optional<Job> changed = (store_.*change)(job->id);
    if (!changed) return problem(409, fmt::format("job {} is {}; {}", job->id, name_of(job->status), rule));
    return answer(200, boost::json::object{{"job", to_json(*changed)}});
  }

  std::optional<Run> last_run(const Sync& sync) const {
    Page newest;
    newest.sync_id = sync.id;
    newest.limit = 1;
    std::vector<Run> runs = store_.list_runs(newest).items;
    return runs.empty() ? std::nullopt : std::optional<Run>(std::move(runs.front()));
  }

  std::vector<ConnectionConfig> sorted_connections() const {
    std::vector<ConnectionConfig> sorted = connections_;
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return sorted;
  }

  boost::json::object shown(const ConnectionConfig& connection) const {
    boost::json::object options;
    const Provider& provider = providers_.at(connection.provider);
    for (const auto& [name, value] : connection.options.shown(provider.options)) options[name] = value;
    return {{"name", connection.name}, {"provider", connection.provider}, {"options", std::move(options)}};
  }

  Store& store_;
  const Registry& providers_;
  const std::vector<ConnectionConfig>& connections_;
  Guard guard_;
  Router router_;
};

const std::array<Handlers::Answering, 15> Handlers::kAnswering = {{
    {"GET", "/hello", &Handlers::hello},
    {"GET", "/healthz", &Handlers::alive},
    {"GET", "/readyz", &Handlers::ready},
    {"GET", "/metrics", &Handlers::scrape},
    {"GET", "/openapi.json", &Handlers::openapi},
    {"GET", "/syncs", &Handlers::syncs},
    {"GET", "/syncs/{id}", &Handlers::sync},
    {"GET", "/jobs", &Handlers::jobs},
    {"POST", "/jobs", &Handlers::create_job},
    {"GET", "/jobs/{id}", &Handlers::job},
    {"POST", "/jobs/{id}/retry", &Handlers::retry},
    {"POST", "/jobs/{id}/cancel", &Handlers::cancel},
    {"GET", "/runs", &Handlers::runs},
    {"GET", "/connections", &Handlers::connections},
    {"GET", "/quarantine", &Handlers::quarantine},
}};

}  // namespace

std::vector<Route> routes() {
  std::vector<Route> all;
  for (const auto& each : Handlers::kAnswering) all.push_back({each.method, each.pattern});
  return all;
}

bool is_quick(const Request& request) {
  const std::string_view path = request.path();
  return path == "/healthz" || path == "/hello";
}

Handler make_handler(Backend backend) {
  auto handlers = std::make_shared<Handlers>(std::move(backend));
  return [handlers](const Request& request) { return handlers->handle(request); };
}

}  // namespace syncflow::api
