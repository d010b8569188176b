#include "api/server.h"

#include <fmt/chrono.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <list>
#include <optional>
#include <thread>

#include "api/admission.h"
#include "core/error.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/text.h"

namespace syncflow::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = boost::asio::ip::tcp;

constexpr std::size_t kHandlerThreads = 4;
constexpr auto kAcceptPause = std::chrono::milliseconds(20);
constexpr auto kComplainEvery = std::chrono::minutes(1);

Request plain(http::request<http::string_body>&& message) {
  Request request;
  request.method = message.method_string();
  request.target = message.target();
  for (const auto& field : message)
    request.headers.emplace_back(ascii_lower(std::string(field.name_string())), field.value());
  request.body = std::move(message.body());
  return request;
}

std::string http_date(Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
}

/// What is wrong with a message before any handler looks at it; 0: nothing.
int status_of(const error_code& problem) {
  if (problem == http::error::body_limit) return 413;
  if (problem == http::error::header_limit || problem == http::error::buffer_overflow) return 431;
  static const boost::system::error_category& of_messages =
      make_error_code(http::error::end_of_stream).category();
  if (problem == http::error::end_of_stream || problem == http::error::partial_message) return 0;
  return problem.category() == of_messages ? 400 : 0;
}

std::string_view sentence_for(int status) {
  switch (status) {
    case 413: return "the body is too large";
    case 429: return "too many requests of yours wait for their answers already: send fewer at once";
    case 431: return "the headers are too large";
    case 503: return "the service has more requests than it can answer at the moment";
    default: return "this is not a well-formed HTTP/1.1 request";
  }
}

/// Whether all who read it agree on where it ends (RFC 9112, 6.3), and whom it is for. Beast sees to the rest.
bool is_unequivocal(const http::request<http::string_body>& message) {
  if (message.version() != 10 && message.version() != 11) return false;
  const std::size_t hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() == 11)) return false;
  if (message.target().empty() || message.target().front() != '/') return false;
  const std::size_t codings = message.count(http::field::transfer_encoding);
  const std::size_t lengths = message.count(http::field::content_length);
  if (codings + lengths > 1 || (codings == 1 && message.version() == 10)) return false;
  // Beast takes a list of equal lengths too, which others read as the first, the last or none.
  const std::string_view length = message[http::field::content_length];
  if (length.find_first_not_of("0123456789") != std::string_view::npos) return false;
  return codings == 0 || beast::iequals(message[http::field::transfer_encoding], "chunked");
}

/// Whom the requests of a connection count for.
std::string client_of(const tcp::socket& socket) {
  error_code gone;
  const auto address = socket.remote_endpoint(gone).address();
  if (!address.is_v6()) return address.to_string();
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string();
  const auto bytes = v6.to_bytes();
  return std::string(bytes.begin(), bytes.begin() + 8);  // one customer's network
}

}  // namespace

/// All but `handlers` is touched by the thread that runs `io` alone, so nothing here is locked.
struct Server::Inside {
  Inside(Handler answers, Clock& its_clock, Limits its_limits, IsQuick quick)
      : handler(std::move(answers)),
        is_quick(std::move(quick)),
        clock(its_clock),
        limits(its_limits),
        admission(its_limits.requests, its_limits.requests_of_a_client) {}

  void listen(const Address& address);
  void accept();
  void accepted(tcp::socket socket);
  void retry_accepting(const error_code& problem);
  bool close_longest_waiting();
  void make_room(const Session& session);
  void left(const Session& session);
  void run();
  void stop();
  void end();

  Handler handler;
  IsQuick is_quick;
  Clock& clock;
  Limits limits;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io};
  asio::steady_timer grace{io};
  std::list<std::shared_ptr<Session>> sessions;  ///< first the one whose last step lies back furthest
  std::size_t buffered_bytes = 0;                ///< of bodies and answers on their way
  Admission admission;
  std::array<char, 16 * 1024> discarded;  ///< what nobody reads, of all connections
  std::optional<std::chrono::steady_clock::time_point>
      complained;  ///< when it was last logged that none could be accepted
  bool stopping = false;
  tcp::endpoint endpoint;
  asio::thread_pool handlers{kHandlerThreads};
  std::jthread thread;
};

/// One connection: reads a request, has it handled, writes the answer, and again.
class Server::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Inside& server, tcp::socket socket)
      : server_(server),
        client_(client_of(socket)),
        stream_(std::move(socket)),
        buffer_(server.limits.header_bytes + 8 * 1024) {}

  /// A completion handler that keeps the session alive.
  auto after(void (Session::*next)(const error_code&)) {
    return [self = shared_from_this(), next](const error_code& problem, auto...) { (*self.*next)(problem); };
  }

  /// Waits for a request, or for the client to go: may be closed without loss.
  bool is_idle() const { return step_ == Step::idle; }
  bool is_handled() const { return step_ == Step::handled; }
  std::size_t held_bytes() const { return held_bytes_; }

  /// `place`: of this session in the server's list.
  void begin(std::list<std::shared_ptr<Session>>::iterator place) {
    place_ = place;
    read();
  }
  std::list<std::shared_ptr<Session>>::const_iterator place() const { return place_; }

  void close() {
    if (closed_) return;
    closed_ = true;
    error_code ignored;  // the other end may be gone already, which is as well
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.close();
    hold(0);
    server_.left(*this);
  }

 private:
  enum class Step { idle, reading, handled, writing };

  void go_on(Step step) {
    step_ = step;
    server_.sessions.splice(server_.sessions.end(), server_.sessions, place_);
  }

  void read() {
    go_on(Step::idle);
    message_ = {};
    if (buffer_.size() == 0) buffer_.shrink_to_fit();
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(server_.limits.header_bytes));
    parser_->body_limit(server_.limits.body_bytes);
    stream_.expires_after(server_.limits.idle);
    http::async_read_header(stream_, buffer_, *parser_, after(&Session::on_header));
  }

  void on_header(const error_code& problem) {
    // It keeps its place: a client that sends slowly does not come before one that waits for its turn.
    step_ = Step::reading;
    if (problem) return refuse(problem);
    if (!is_unequivocal(parser_->get())) return refuse(400);
    if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) return invite_body();
    read_body({});
  }

  void invite_body() {
    static const std::string_view invitation = "HTTP/1.1 100 Continue\r\n\r\n";
    stream_.expires_after(server_.limits.answer);
    asio::async_write(stream_, asio::buffer(invitation), after(&Session::read_body));
  }

  void read_body(const error_code& problem) {
    if (problem) return refuse(problem);
    parser_->eager(true);
    stream_.expires_after(server_.limits.body);
    on_body_part({});
  }

  void on_body_part(const error_code& problem) {
    if (problem) return refuse(problem);
    const std::size_t announced = parser_->content_length().value_or(0);
    hold(std::max(announced, parser_->get().body().size()));
    if (closed_) return;
    if (parser_->is_done()) return on_request();
    http::async_read_some(stream_, buffer_, *parser_, after(&Session::on_body_part));
  }

  void on_request() {
    stream_.expires_never();
    keep_alive_ = parser_->get().keep_alive() && parser_->get().version() == 11;
    without_body_ = parser_->get().method() == http::verb::head;
    Request request = plain(parser_->release());
    if (server_.is_quick && server_.is_quick(request)) return write(handled(request));
    const bool full = server_.buffered_bytes > server_.limits.buffered_bytes;
    if (const int refusal = full ? 503 : server_.admission.enter(client_); refusal != 0)
      return write_refusal(refusal);
    count_requests();
    go_on(Step::handled);
    // The guard keeps `io` running until the answer is there, though no socket is waited for.
    asio::post(server_.handlers, [self = shared_from_this(), request = std::move(request),
                                  guard = asio::make_work_guard(server_.io)]() mutable {
      Response response = self->handled(request);
      asio::post(guard.get_executor(), [self = std::move(self), response = std::move(response)]() mutable {
        self->server_.admission.leave(self->client_);
        self->count_requests();
        self->write(std::move(response));
      });
    });
  }

  void count_requests() const {
    metrics::set(metrics::Gauge::http_requests, static_cast<double>(server_.admission.inside()));
  }

  /// On a handler thread, unless the request is quick.
  Response handled(const Request& request) const {
    try {
      return server_.handler(request);
    } catch (const std::exception& error) {
      log::error("A request failed.", {{"error", error.what()}});
      return problem(500, "the service failed at this request; its log says why");
    }
  }

  /// Answers what cannot be read on, where there is somebody to answer.
  void refuse(const error_code& problem) {
    if (problem == beast::error::timeout) metrics::count(metrics::Counter::http_closed, {"timeout"});
    const int status = status_of(problem);
    if (status == 0) return close();
    refuse(status);
  }

  void refuse(int status) {
    refused_ = true;
    keep_alive_ = false;
    without_body_ = parser_->is_header_done() && parser_->get().method() == http::verb::head;
    write_refusal(status);
  }

  void write_refusal(int status) {
    metrics::count(metrics::Counter::http_requests, {"none", "none", std::to_string(status)});
    write(problem(status, sentence_for(status)));
  }

  void write(Response response) {
    if (closed_) return;
    go_on(Step::writing);
    keep_alive_ = keep_alive_ && !server_.stopping;
    message_ = {};
    message_.result(static_cast<unsigned>(response.status));
    message_.reason(title_of(response.status));
    message_.set(http::field::date, http_date(server_.clock.now()));
    message_.set(http::field::content_type, response.content_type);
    message_.set(http::field::cache_control, "no-store");
    message_.set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : response.headers) message_.set(name, value);
    message_.keep_alive(keep_alive_);
    message_.content_length(response.body.size());
    if (!without_body_) message_.body() = std::move(response.body);
    hold(message_.body().size());
    if (closed_) return;
    stream_.expires_after(server_.limits.answer);
    http::async_write(stream_, message_, after(&Session::on_written));
  }

  void on_written(const error_code& problem) {
    if (problem == beast::error::timeout) metrics::count(metrics::Counter::http_closed, {"timeout"});
    if (problem) return close();
    hold(0);
    if (keep_alive_ && !server_.stopping) return read();
    if (!refused_ && buffer_.size() == 0) return close();
    linger();
  }

  /// To close while the client still sends would reset the connection, and with it our answer on its
  /// way: say that no more comes, and let the client's rest go by for a moment.
  void linger() {
    go_on(Step::idle);
    error_code gone;
    stream_.socket().shutdown(tcp::socket::shutdown_send, gone);
    if (gone) return close();
    buffer_.clear();
    stream_.expires_after(server_.limits.grace);
    drain({});
  }

  void drain(const error_code& problem) {
    if (problem) return close();
    stream_.async_read_some(asio::buffer(server_.discarded), after(&Session::drain));
  }

  /// Of a body or an answer. May close this very session.
  void hold(std::size_t bytes) {
    server_.buffered_bytes += bytes - held_bytes_;
    const bool more = bytes > held_bytes_;
    held_bytes_ = bytes;
    if (more) server_.make_room(*this);
  }

  Inside& server_;
  const std::string client_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> message_;
  std::list<std::shared_ptr<Session>>::iterator place_;
  std::size_t held_bytes_ = 0;
  Step step_ = Step::idle;
  bool closed_ = false;
  bool refused_ = false;
  bool keep_alive_ = false;
  bool without_body_ = false;
};

void Server::Inside::listen(const Address& address) {
  try {
    const auto host = address.host == "localhost" ? asio::ip::address(asio::ip::address_v4::loopback())
                                                  : asio::ip::make_address(address.host);
    const tcp::endpoint wanted(host, address.port);
    acceptor.open(wanted.protocol());
    acceptor.set_option(asio::socket_base::reuse_address(true));
    acceptor.bind(wanted);
    acceptor.listen();
    endpoint = acceptor.local_endpoint();
  } catch (const boost::system::system_error& problem) {
    throw Error(
        ErrorKind::bad_config,
        fmt::format("cannot listen on {}: {}{}", to_text(address), problem.code().message(),
                    problem.code() == asio::error::address_in_use
                        ? "; another program listens there: stop it, or choose another port with --listen"
                        : ""));
  }
}

void Server::Inside::accept() {
  acceptor.async_accept([this](const error_code& problem, tcp::socket socket) {
    if (stopping) return;
    if (problem) return retry_accepting(problem);
    accepted(std::move(socket));
    accept();
  });
}

/// Out of file descriptors, most likely.
void Server::Inside::retry_accepting(const error_code& problem) {
  const auto now = clock.monotonic();
  if (!complained || now - *complained > kComplainEvery) {
    log::warn("A connection could not be accepted; one that waits is closed for it.",
              {{"error", problem.message()}});
    complained = now;
  }
  close_longest_waiting();
  // To ask again at once might burn a core.
  pause.expires_after(kAcceptPause);
  pause.async_wait([this](const error_code& cancelled) {
    if (!cancelled) accept();
  });
}

void Server::Inside::accepted(tcp::socket socket) {
  // None can be closed only while the handlers have them all: this one is closed unheard.
  if (sessions.size() >= limits.connections && !close_longest_waiting()) return;
  error_code ignored;  // only a delay of small answers is at stake
  socket.set_option(tcp::no_delay(true), ignored);
  const auto place = sessions.insert(sessions.end(), std::make_shared<Session>(*this, std::move(socket)));
  metrics::set(metrics::Gauge::http_connections, static_cast<double>(sessions.size()));
  (*place)->begin(place);
}

/// False: there is none that may be closed.
bool Server::Inside::close_longest_waiting() {
  const auto longest = std::find_if(sessions.begin(), sessions.end(),
                                    [](const auto& session) { return !session->is_handled(); });
  if (longest == sessions.end()) return false;
  metrics::count(metrics::Counter::http_closed, {"too_many"});
  const auto kept = *longest;
  kept->close();
  return true;
}

/// Closes sessions that hold much for long, `session` among them, until all the others fit beside the last one.
void Server::Inside::make_room(const Session& session) {
  while (buffered_bytes > limits.buffered_bytes) {
    const auto holds = [](const auto& present) {
      return present->held_bytes() > 0 && !present->is_handled();
    };
    const auto first = std::find_if(sessions.begin(), sessions.end(), holds);
    if (first == sessions.end()) return;
    if (first->get() == &session && std::find_if(std::next(first), sessions.end(), holds) == sessions.end())
      return;
    metrics::count(metrics::Counter::http_closed, {"memory"});
    const auto kept = *first;
    kept->close();
  }
}

void Server::Inside::left(const Session& session) {
  sessions.erase(session.place());
  metrics::set(metrics::Gauge::http_connections, static_cast<double>(sessions.size()));
  if (stopping && sessions.empty()) grace.cancel();
}

void Server::Inside::run() {
  for (;;) {
    try {
      io.run();
      return;
    } catch (const std::exception& error) {
      log::error("A connection failed in an unforeseen way; the others go on.", {{"error", error.what()}});
    }
  }
}

void Server::Inside::stop() {
  if (stopping) return;
  stopping = true;
  error_code ignored;  // it is closed either way
  acceptor.close(ignored);
  pause.cancel();
  grace.expires_after(limits.grace);
  grace.async_wait([this](const error_code& cancelled) {
    if (!cancelled) end();
  });
  const auto present = sessions;
  for (const auto& session : present) {
    if (session->is_idle()) session->close();
  }
  if (sessions.empty()) grace.cancel();
}

void Server::Inside::end() {
  const auto present = sessions;
  for (const auto& session : present) session->close();
}

Server::Server(const Address& address, Handler handler, Clock& clock, Limits limits, IsQuick is_quick)
    : inside_(std::make_unique<Inside>(std::move(handler), clock, limits, std::move(is_quick))) {
  inside_->listen(address);
  inside_->accept();
  inside_->thread = std::jthread([inside = inside_.get()] { inside->run(); });
}

Server::~Server() {
  stop();
  inside_->thread.join();
  inside_->handlers.join();
}

Address Server::address() const {
  return {inside_->endpoint.address().to_string(), inside_->endpoint.port()};
}

void Server::stop() {
  asio::post(inside_->io, [inside = inside_.get()] { inside->stop(); });
}

}  // namespace syncflow::api
