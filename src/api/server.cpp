#include "api/server.h"

#include <fmt/chrono.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <list>
#include <thread>

#include "core/error.h"
#include "core/log.h"

namespace syncflow::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = boost::asio::ip::tcp;

constexpr std::size_t kHandlerThreads = 4;

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

Request plain(http::request<http::string_body>&& message) {
  Request request;
  request.method = message.method_string();
  request.target = message.target();
  for (const auto& field : message)
    request.headers.emplace_back(in_lower_case(field.name_string()), field.value());
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
    case 431: return "the headers are too large";
    default: return "this is not a well-formed HTTP/1.1 request";
  }
}

}  // namespace

/// All but `handlers` is touched by the thread that runs `io` alone, so nothing here is locked.
struct Server::Inside {
  Inside(Handler handler, Clock& clock, Limits limits)
      : handler(std::move(handler)), clock(clock), limits(limits) {}

  void listen(const Address& address);
  void accept();
  void accepted(tcp::socket socket);
  void close_longest_waiting();
  void left(const Session& session);
  void run();
  void stop();
  void end();

  Handler handler;
  Clock& clock;
  Limits limits;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io};
  asio::steady_timer grace{io};
  std::list<std::shared_ptr<Session>> sessions;
  std::uint64_t waits = 0;  ///< how often a session began to wait, which orders them
  bool stopping = false;
  tcp::endpoint endpoint;
  asio::thread_pool handlers{kHandlerThreads};
  std::jthread thread;
};

/// One connection: reads a request, has it handled, writes the answer, and again.
class Server::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Inside& server, tcp::socket socket)
      : server_(server), stream_(std::move(socket)), buffer_(server.limits.header_bytes + 8 * 1024) {}

  /// A completion handler that keeps the session alive.
  auto after(void (Session::*next)(const error_code&)) {
    return [self = shared_from_this(), next](const error_code& problem, auto...) { (*self.*next)(problem); };
  }

  /// 0: at work. Otherwise it may be closed without loss, first the one with the lowest number.
  std::uint64_t waiting() const { return waiting_; }

  void read() {
    waiting_ = ++server_.waits;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(server_.limits.header_bytes));
    parser_->body_limit(server_.limits.body_bytes);
    stream_.expires_after(server_.limits.idle);
    http::async_read_header(stream_, buffer_, *parser_, after(&Session::on_header));
  }

  void close() {
    error_code ignored;  // the other end may be gone already, which is as well
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.close();
    server_.left(*this);
  }

 private:
  void on_header(const error_code& problem) {
    waiting_ = 0;
    if (problem) return refuse(status_of(problem));
    const auto& message = parser_->get();
    if (message.version() != 10 && message.version() != 11) return refuse(400);
    const std::size_t hosts = message.count(http::field::host);
    if (hosts > 1 || (hosts == 0 && message.version() == 11)) return refuse(400);
    if (message.target().empty() || message.target().front() != '/') return refuse(400);
    if (beast::iequals(message[http::field::expect], "100-continue")) return invite_body();
    read_body({});
  }

  void invite_body() {
    static const std::string_view invitation = "HTTP/1.1 100 Continue\r\n\r\n";
    stream_.expires_after(server_.limits.answer);
    asio::async_write(stream_, asio::buffer(invitation), after(&Session::read_body));
  }

  void read_body(const error_code& problem) {
    if (problem) return close();
    stream_.expires_after(server_.limits.body);
    http::async_read(stream_, buffer_, *parser_, after(&Session::on_body));
  }

  void on_body(const error_code& problem) {
    if (problem) return refuse(status_of(problem));
    stream_.expires_never();
    keep_alive_ = parser_->get().keep_alive() && parser_->get().version() == 11;
    without_body_ = parser_->get().method() == http::verb::head;
    // The guard keeps `io` running until the answer is there, though no socket is waited for.
    asio::post(server_.handlers, [self = shared_from_this(), request = plain(parser_->release()),
                                  guard = asio::make_work_guard(server_.io)]() mutable {
      Response response = self->handled(request);
      asio::post(guard.get_executor(), [self = std::move(self), response = std::move(response)]() mutable {
        self->write(std::move(response));
      });
    });
  }

  /// On a handler thread.
  Response handled(const Request& request) const {
    try {
      return server_.handler(request);
    } catch (const std::exception& error) {
      log::error("A request failed.", {{"error", error.what()}});
      return problem(500, "the service failed at this request; its log says why");
    }
  }

  /// Answers what cannot be read on; 0: there is nobody to answer.
  void refuse(int status) {
    if (status == 0) return close();
    refused_ = true;
    keep_alive_ = false;
    without_body_ = false;
    write(problem(status, sentence_for(status)));
  }

  void write(Response response) {
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
    stream_.expires_after(server_.limits.answer);
    http::async_write(stream_, message_, after(&Session::on_written));
  }

  void on_written(const error_code& problem) {
    if (problem) return close();
    if (keep_alive_ && !server_.stopping) return read();
    if (!refused_ && buffer_.size() == 0) return close();
    linger();
  }

  /// To close while the client still sends would reset the connection, and with it our answer on its
  /// way: say that no more comes, and let the client's rest go by for a moment.
  void linger() {
    waiting_ = ++server_.waits;
    error_code gone;
    stream_.socket().shutdown(tcp::socket::shutdown_send, gone);
    if (gone) return close();
    buffer_.clear();
    stream_.expires_after(server_.limits.grace);
    drain({});
  }

  void drain(const error_code& problem) {
    if (problem) return close();
    stream_.async_read_some(asio::buffer(discarded_), after(&Session::drain));
  }

  Inside& server_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> message_;
  std::array<char, 4096> discarded_;
  std::uint64_t waiting_ = 0;
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
    if (!problem) {
      accepted(std::move(socket));
      return accept();
    }
    // Out of file descriptors, most likely: to ask again at once would burn a core.
    log::warn("A connection could not be accepted.", {{"error", problem.message()}});
    pause.expires_after(std::chrono::milliseconds(100));
    pause.async_wait([this](const error_code& cancelled) {
      if (!cancelled) accept();
    });
  });
}

void Server::Inside::accepted(tcp::socket socket) {
  if (sessions.size() >= limits.connections) close_longest_waiting();
  if (sessions.size() >= limits.connections) return;  // all are busy: closed unheard
  error_code ignored;                                 // only a delay of small answers is at stake
  socket.set_option(tcp::no_delay(true), ignored);
  sessions.push_back(std::make_shared<Session>(*this, std::move(socket)));
  sessions.back()->read();
}

void Server::Inside::close_longest_waiting() {
  std::shared_ptr<Session> longest;
  for (const auto& session : sessions) {
    if (session->waiting() == 0) continue;
    if (!longest || session->waiting() < longest->waiting()) longest = session;
  }
  if (longest) longest->close();
}

void Server::Inside::left(const Session& session) {
  sessions.remove_if([&](const auto& present) { return present.get() == &session; });
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
    if (session->waiting() != 0) session->close();
  }
  if (sessions.empty()) grace.cancel();
}

void Server::Inside::end() {
  const auto present = sessions;
  for (const auto& session : present) session->close();
}

Server::Server(const Address& address, Handler handler, Clock& clock, Limits limits)
    : inside_(std::make_unique<Inside>(std::move(handler), clock, limits)) {
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
