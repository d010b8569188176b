#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace syncflow::testkit {

/// What a network does to a connection.
enum class Cut {
  reset,        ///< RST to both ends; what was on its way is lost
  close,        ///< both ends see the end of the stream behind what passed before: an answer is truncated
  half_client,  ///< only the client sees the end of the stream; what it writes still arrives
  half_server,  ///< only the server sees it; what it writes still arrives
  black_hole,   ///< nothing passes any more and nobody is told
};
inline constexpr std::array kCuts = {Cut::reset, Cut::close, Cut::half_client, Cut::half_server,
                                     Cut::black_hole};
const char* name_of(Cut cut);

enum class Way { to_server, to_client };

/// When to cut. The first condition that comes true fires, once.
struct Fault {
  Cut cut = Cut::reset;
  Way way = Way::to_server;
  /// So many bytes pass this way, of all connections together, and then no more.
  std::optional<std::uint64_t> after_bytes = std::nullopt;
  /// These bytes come this way. Not empty.
  std::optional<std::string> pattern = std::nullopt;
  enum class At {
    before,  ///< the pattern does not pass
    behind,  ///< it passes, and nothing behind it
    answer,  ///< it passes; the cut comes when the other end has answered, and the answer does not pass
  };
  At at = At::before;
  /// A request to the port of `signal_port` (a failpoint's, say), which is answered once the cut is made.
  bool on_signal = false;
  /// Every connection is cut, and new ones meet the same until `heal`; otherwise only the connection where the
  /// condition came true (on a signal: all that are open), and new ones pass.
  bool lasting = false;
};

/// A TCP proxy on the loopback that forwards to one target, and cuts on command.
///
/// One thread of its own does all the work and waits for events only. Members may be called from any thread, and
/// return when what they ask for is done.
class CutProxy {
 public:
  /// Listens on a free port. Throws std::runtime_error.
  CutProxy(std::string target_host, std::uint16_t target_port);
  ~CutProxy();
  CutProxy(const CutProxy&) = delete;
  CutProxy& operator=(const CutProxy&) = delete;

  std::uint16_t port() const { return port_; }
  std::uint16_t signal_port() const { return signal_port_; }

  /// Waits for the fault's condition, instead of the one before; counts bytes from here.
  void arm(Fault fault);
  /// Cuts every connection that is open.
  void cut(Cut cut);
  /// Resets every connection and takes no new ones: connecting is refused.
  void refuse();
  /// From now on every piece that arrives is kept back for so long.
  void delay(std::chrono::milliseconds time);
  /// Lets everything through again, also what a black hole kept back, and disarms.
  void heal();

  /// Whether the armed fault has fired.
  bool fired() const;
  /// Waits for it; false when the time is over.
  bool wait_until_fired(std::chrono::seconds timeout) const;
  /// Bytes of all connections since the last `arm` or `heal`.
  std::uint64_t passed(Way way) const;
  /// How many connections there have been.
  int connections() const;

 private:
  using Moment = std::chrono::steady_clock::time_point;

  struct Piece {
    std::string bytes;
    Moment due;
  };
  /// One direction of a connection.
  struct Flow {
    int from = -1, to = -1;
    std::list<Piece> waiting;
    std::size_t waiting_bytes = 0;
    std::string tail;     ///< the end of what passed, for patterns that lie across pieces
    bool ended = false;   ///< nothing more comes
    bool closed = false;  ///< the receiver was told so, behind what waits
    bool discards = false;
  };
  struct Link {
    int client = -1, server = -1;
    std::array<Flow, 2> flows;
    bool silent = false;
    bool awaits_answer = false;
    bool over = false;
  };

  void run();
  void listen();
  void take_connection();
  void take_signal();
  void connect(int client);
  void read(Link& link, Way way);
  void forward(Link& link, Way way, std::string_view bytes);
  std::size_t allowed(Link& link, Way way, std::string_view bytes, bool& fires);
  void write_due(Link& link, Way way);
  void fire(Link* link);
  void cut(Link& link, Cut cut);
  static void end(Flow& flow);
  static void reset(Link& link);
  void sweep();
  int patience() const;
  void wake() const;

  const std::string host_;
  const std::uint16_t target_port_;
  std::uint16_t port_ = 0, signal_port_ = 0;
  int listener_ = -1, signals_ = -1, wake_ = -1;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::list<Link> links_;
  std::optional<Fault> armed_;
  std::optional<Cut> lasting_;
  std::chrono::milliseconds delay_{0};
  std::array<std::uint64_t, 2> passed_{};
  int connections_ = 0;
  bool fired_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace syncflow::testkit
