#include "api/guard.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "core/text.h"

namespace syncflow::api {
namespace {

struct Authority {
  std::string_view host;  ///< without brackets
  std::string_view port;
};

Authority parse_authority(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return {};
    const std::string_view rest = text.substr(end + 1);
    return {text.substr(1, end - 1), rest.empty() ? rest : rest.substr(1)};
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

/// A page that this service served, or a proxy before it, has the port that the Host header names.
bool is_own_origin(std::string_view origin, std::string_view host_header) {
  const std::size_t scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos) return false;
  const std::string_view usual_port = origin.substr(0, scheme_end) == "https" ? "443" : "80";
  const Authority page = parse_authority(origin.substr(scheme_end + 3));
  const Authority self = parse_authority(host_header);
  const auto port_of = [&](const Authority& a) { return a.port.empty() ? usual_port : a.port; };
  return is_loopback(page.host) && port_of(page) == port_of(self);
}

bool is_open(std::string_view path) {
  static constexpr std::array<std::string_view, 3> kOpen = {"/hello", "/healthz", "/readyz"};
  return std::find(kOpen.begin(), kOpen.end(), path) != kOpen.end() || path.substr(0, 10) == "/webhooks/";
}

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest digest_of(std::string_view text) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

/// Takes as long for a nearly right key as for a wrong one, and tells nothing of its length.
bool same(std::string_view a, std::string_view b) {
  const Digest one = digest_of(a);
  const Digest other = digest_of(b);
  return CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

bool bears(std::string_view authorization, const Secret& key) {
  static constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size()) return false;
  std::string scheme(authorization.substr(0, kScheme.size()));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return scheme == kScheme && same(authorization.substr(kScheme.size()), key.reveal());
}

}  // namespace

bool is_loopback(std::string_view host) {
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  std::string name(host);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (name == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, name.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::optional<Response> Guard::refuse(const Request& request) const {
  if (!key_.empty()) {
    if (is_open(request.path()) || bears(request.header("authorization"), key_)) return std::nullopt;
    Response response =
        problem(401, "this service wants the header \"Authorization: Bearer KEY\" with its SYNCFLOW_API_KEY");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  const std::string_view host = request.header("host");
  if (!is_loopback(parse_authority(host).host))
    return problem(
        403,
        "without SYNCFLOW_API_KEY this service answers only to localhost; the Host header names another");
  const std::string_view origin = request.header("origin");
  if (!origin.empty() && !is_own_origin(origin, host))
    return problem(403, "a page of another site may not use this service: the Origin header names it");
  return std::nullopt;
}

}  // namespace syncflow::api
