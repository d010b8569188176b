#include "testkit/cut_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace syncflow::testkit {
namespace {

/// What may wait in one direction before its sender has to.
constexpr std::size_t kMostWaitingBytes = 256u << 10;
constexpr std::size_t kPieceBytes = 16u << 10;

std::size_t index_of(Way way) { return way == Way::to_server ? 0 : 1; }

std::runtime_error failed(const std::string& doing) {
  return std::runtime_error("proxy: " + doing + ": " + std::strerror(errno));
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// Port 0: a free one, and which it became.
int listen_on(std::uint16_t& port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = loopback(port);
  socklen_t size = sizeof address;
  if (listener < 0 || ::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener, 64) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw failed("listening");
  port = ntohs(address.sin_port);
  return listener;
}

void let_go(int& socket) {
  if (socket >= 0) ::close(socket);
  socket = -1;
}

/// RST instead of FIN.
void let_go_at_once(int& socket) {
  const linger none{1, 0};
  if (socket >= 0) ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  let_go(socket);
}

}  // namespace

const char* name_of(Cut cut) {
  switch (cut) {
    case Cut::reset: return "reset";
    case Cut::close: return "close";
    case Cut::half_client: return "half_client";
    case Cut::half_server: return "half_server";
    case Cut::black_hole: return "black_hole";
  }
  return "";
}

CutProxy::CutProxy(std::string target_host, std::uint16_t target_port)
    : host_(std::move(target_host)), target_port_(target_port), wake_(::eventfd(0, EFD_CLOEXEC)) {
  if (wake_ < 0) throw failed("making an event");
  listen();
  signals_ = listen_on(signal_port_);
  thread_ = std::thread([this] { run(); });
}

CutProxy::~CutProxy() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
  for (Link& link : links_) reset(link);
  let_go(listener_);
  let_go(signals_);
  ::close(wake_);
}

void CutProxy::listen() { listener_ = listen_on(port_); }

void CutProxy::wake() const {
  const std::uint64_t one = 1;
  // Full means that it is awake already.
  (void)!::write(wake_, &one, sizeof one);
}

// --- commands -----------------------------------------------------------------------------------------------------

void CutProxy::arm(Fault fault) {
  const std::lock_guard lock(mutex_);
  passed_ = {};
  fired_ = false;
  armed_ = std::move(fault);
  for (Link& link : links_) {
    link.awaits_answer = false;
    for (Flow& flow : link.flows) flow.tail.clear();
  }
}

void CutProxy::cut(Cut cut) {
  const std::lock_guard lock(mutex_);
  for (Link& link : links_) this->cut(link, cut);
  wake();
}

void CutProxy::refuse() {
  const std::lock_guard lock(mutex_);
  for (Link& link : links_) reset(link);
  // The thread that polls it keeps it open: only this makes it refuse from now on.
  ::shutdown(listener_, SHUT_RDWR);
  let_go(listener_);
  wake();
}

void CutProxy::delay(std::chrono::milliseconds time) {
  const std::lock_guard lock(mutex_);
  delay_ = time;
}

void CutProxy::heal() {
  const std::lock_guard lock(mutex_);
  armed_.reset();
  lasting_.reset();
  passed_ = {};
  delay_ = {};
  for (Link& link : links_) link.silent = link.awaits_answer = false;
  if (listener_ < 0) listen();
  wake();
}

bool CutProxy::fired() const {
  const std::lock_guard lock(mutex_);
  return fired_;
}

bool CutProxy::wait_until_fired(std::chrono::seconds timeout) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return fired_; });
}

std::uint64_t CutProxy::passed(Way way) const {
  const std::lock_guard lock(mutex_);
  return passed_[index_of(way)];
}

int CutProxy::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

// --- the thread ---------------------------------------------------------------------------------------------------

void CutProxy::run() {
  std::vector<pollfd> polled;
  std::vector<std::pair<Link*, Way>> readers, writers;
  for (;;) {
    int timeout = -1;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      polled = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}, {signals_, POLLIN, 0}};
      readers.clear();
      writers.clear();
      const Moment now = std::chrono::steady_clock::now();
      for (Link& link : links_) {
        if (link.silent) continue;
        for (const Way way : {Way::to_server, Way::to_client}) {
          Flow& flow = link.flows[index_of(way)];
          if (!flow.ended && flow.waiting_bytes < kMostWaitingBytes) {
            polled.push_back({flow.from, POLLIN, 0});
            readers.emplace_back(&link, way);
          }
        }
      }
      for (Link& link : links_)
        for (const Way way : {Way::to_server, Way::to_client}) {
          Flow& flow = link.flows[index_of(way)];
          if (link.silent || flow.waiting.empty() || flow.waiting.front().due > now) continue;
          polled.push_back({flow.to, POLLOUT, 0});
          writers.emplace_back(&link, way);
        }
      timeout = patience();
    }
    ::poll(polled.data(), polled.size(), timeout);
    const std::lock_guard lock(mutex_);
    if (polled[0].revents != 0) {
      std::uint64_t count = 0;
      // Level-triggered: what cannot be read now is read the next time.
      (void)!::read(wake_, &count, sizeof count);
    }
    if (polled[1].revents != 0 && listener_ == polled[1].fd) take_connection();
    if (polled[2].revents != 0) take_signal();
    for (std::size_t i = 0; i < readers.size(); ++i) {
      auto& [link, way] = readers[i];
      if (polled[3 + i].revents != 0 && !link->over && !link->silent) read(*link, way);
    }
    for (auto& [link, way] : writers)
      if (!link->over && !link->silent) write_due(*link, way);
    sweep();
  }
}

/// Milliseconds until the next piece that is kept back may go; -1: there is none.
int CutProxy::patience() const {
  std::optional<Moment> next;
  const Moment now = std::chrono::steady_clock::now();
  for (const Link& link : links_)
    for (const Flow& flow : link.flows)
      if (!link.silent && !flow.waiting.empty() && flow.waiting.front().due > now)
        next = std::min(next.value_or(flow.waiting.front().due), flow.waiting.front().due);
  if (!next) return -1;
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(*next - now).count());
}

void CutProxy::take_connection() {
  const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) return;
  ++connections_;
  connect(client);
}

void CutProxy::connect(int client) {
  Link& link = links_.emplace_back();
  link.client = client;
  if (lasting_ && *lasting_ != Cut::black_hole) return reset(link);
  if (lasting_) link.silent = true;
  sockaddr_in address = loopback(target_port_);
  ::inet_pton(AF_INET, host_.c_str(), &address.sin_addr);
  // Blocking: the loopback answers at once, one way or the other.
  link.server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (link.server < 0 || ::connect(link.server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return reset(link);
  ::fcntl(link.server, F_SETFL, O_NONBLOCK);
  const int on = 1;
  for (const int socket : {link.client, link.server})
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  link.flows[0].from = link.flows[1].to = link.client;
  link.flows[1].from = link.flows[0].to = link.server;
}

void CutProxy::take_signal() {
  int signal = ::accept4(signals_, nullptr, nullptr, SOCK_CLOEXEC);
  if (armed_ && armed_->on_signal) fire(nullptr);
  // The end of the stream is the answer.
  let_go(signal);
}

void CutProxy::read(Link& link, Way way) {
  Flow& flow = link.flows[index_of(way)];
  char bytes[kPieceBytes];
  const ssize_t size = ::recv(flow.from, bytes, sizeof bytes, 0);
  if (size > 0) return forward(link, way, {bytes, static_cast<std::size_t>(size)});
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size < 0) return reset(link);  // as the other end did
  end(flow);
}

void CutProxy::forward(Link& link, Way way, std::string_view bytes) {
  Flow& flow = link.flows[index_of(way)];
  if (flow.discards) return;
  bool fires = false;
  const std::size_t size = allowed(link, way, bytes, fires);
  passed_[index_of(way)] += size;
  if (size > 0) {
    flow.waiting.push_back({std::string(bytes.substr(0, size)), std::chrono::steady_clock::now() + delay_});
    flow.waiting_bytes += size;
  }
  if (!fires) return;
  // What passed before the cut shall arrive.
  write_due(link, way);
  fire(&link);
}

/// How many of the bytes pass, and whether the fault fires behind them.
std::size_t CutProxy::allowed(Link& link, Way way, std::string_view bytes, bool& fires) {
  if (!armed_) return bytes.size();
  if (link.awaits_answer && way != armed_->way) {
    fires = true;
    return 0;
  }
  if (way != armed_->way) return bytes.size();
  if (armed_->after_bytes) {
    const std::uint64_t left = *armed_->after_bytes - std::min(*armed_->after_bytes, passed_[index_of(way)]);
    fires = bytes.size() >= left;
    return static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left));
  }
  if (!armed_->pattern) return bytes.size();
  Flow& flow = link.flows[index_of(way)];
  const std::string& pattern = *armed_->pattern;
  const std::string seen = flow.tail + std::string(bytes);
  const auto found = seen.find(pattern);
  const std::size_t old = flow.tail.size();
  if (found == std::string::npos) {
    flow.tail = seen.substr(seen.size() - std::min(seen.size(), pattern.size() - 1));
    return bytes.size();
  }
  flow.tail.clear();
  if (armed_->at == Fault::At::answer) {
    link.awaits_answer = true;
    return bytes.size();
  }
  fires = true;
  const std::size_t upto = armed_->at == Fault::At::before ? found : found + pattern.size();
  return upto - std::min(upto, old);
}

void CutProxy::write_due(Link& link, Way way) {
  Flow& flow = link.flows[index_of(way)];
  const Moment now = std::chrono::steady_clock::now();
  while (!flow.waiting.empty() && flow.waiting.front().due <= now) {
    std::string& bytes = flow.waiting.front().bytes;
    const ssize_t size = ::send(flow.to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < 0) return reset(link);
    flow.waiting_bytes -= static_cast<std::size_t>(size);
    if (static_cast<std::size_t>(size) == bytes.size()) flow.waiting.pop_front();
    else bytes.erase(0, static_cast<std::size_t>(size));
  }
}

void CutProxy::fire(Link* link) {
  const Fault fault = *armed_;
  armed_.reset();
  if (fault.lasting) lasting_ = fault.cut;
  for (Link& each : links_)
    if (!link || fault.lasting || &each == link) cut(each, fault.cut);
  fired_ = true;
  changed_.notify_all();
}

void CutProxy::cut(Link& link, Cut cut) {
  if (link.over) return;
  Flow& to_server = link.flows[0];
  Flow& to_client = link.flows[1];
  switch (cut) {
    case Cut::reset: return reset(link);
    case Cut::black_hole: link.silent = true; return;
    case Cut::close:
      for (Flow* flow : {&to_server, &to_client}) end(*flow);
      return;
    case Cut::half_client: end(to_client); return;
    case Cut::half_server: end(to_server); return;
  }
}

/// Nothing more passes; behind what waits the receiver sees the end.
void CutProxy::end(Flow& flow) { flow.ended = flow.discards = true; }

void CutProxy::reset(Link& link) {
  let_go_at_once(link.client);
  let_go_at_once(link.server);
  link.over = true;
}

/// Tells receivers that the stream has ended, and forgets the connections that are over.
void CutProxy::sweep() {
  for (Link& link : links_) {
    if (link.over || link.silent) continue;
    for (Flow& flow : link.flows) {
      if (!flow.ended || flow.closed || !flow.waiting.empty()) continue;
      ::shutdown(flow.to, SHUT_WR);
      flow.closed = true;
    }
    if (link.flows[0].closed && link.flows[1].closed) {
      let_go(link.client);
      let_go(link.server);
      link.over = true;
    }
  }
  links_.remove_if([](const Link& link) { return link.over; });
}

}  // namespace syncflow::testkit
