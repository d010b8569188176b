#include <fmt/core.h>

#include <charconv>

#include "api/server.h"
#include "core/error.h"

namespace syncflow::api {
namespace {

[[noreturn]] void not_an_address(const std::string& text) {
  throw Error(
      ErrorKind::bad_config,
      fmt::format("\"{}\" is no address to listen on; write 127.0.0.1:3001, [::1]:3001 or 0.0.0.0:3001",
                  text));
}

}  // namespace

Address parse_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  Address address;
  const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (problem != std::errc() || end != port.data() + port.size()) not_an_address(text);
  if (colon == std::string::npos) return address;
  address.host = text.substr(0, colon);
  if (address.host.empty()) address.host = "0.0.0.0";
  const bool bracketed = address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']';
  if (bracketed) address.host = address.host.substr(1, address.host.size() - 2);
  if (bracketed != (address.host.find(':') != std::string::npos)) not_an_address(text);
  return address;
}

std::string to_text(const Address& address) {
  return address.host.find(':') == std::string::npos ? fmt::format("{}:{}", address.host, address.port)
                                                     : fmt::format("[{}]:{}", address.host, address.port);
}

}  // namespace syncflow::api
