#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "core/uuid.h"
#include "drivers/libmariadb/fake_server.h"

namespace syncflow::mysql {
namespace {

template <auto free>
struct Free {
  template <typename T>
  void operator()(T* pointer) const {
    free(pointer);
  }
};
template <typename T, auto free>
using Owned = std::unique_ptr<T, Free<free>>;

/// A key and a certificate for one host, signed by itself; the certificate also lies in `file`.
class SelfSigned {
 public:
  explicit SelfSigned(const std::string& alternative_name)
      : file((std::filesystem::temp_directory_path() / (random_uuid() + ".pem")).string()),
        key(EVP_RSA_gen(2048)),
        certificate(X509_new()) {
    X509* x509 = certificate.get();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key.get());
    X509_NAME* name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1,
                               -1, 0);
    X509_set_issuer_name(x509, name);
    const Owned<X509_EXTENSION, X509_EXTENSION_free> names(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative_name.c_str()));
    X509_add_ext(x509, names.get(), -1);
    EXPECT_GT(X509_sign(x509, key.get(), EVP_sha256()), 0);
    std::FILE* out = std::fopen(file.c_str(), "w");
    EXPECT_EQ(PEM_write_X509(out, x509), 1);
    std::fclose(out);
  }
  ~SelfSigned() { std::filesystem::remove(file); }

  const std::string file;
  const Owned<EVP_PKEY, EVP_PKEY_free> key;
  const Owned<X509, X509_free> certificate;
};

/// Greets, turns to TLS and lets anybody in.
void serve_tls(int socket, const SelfSigned& identity) {
  send_packet(socket, 0, greeting(true));
  char wish[36];  // the client's wish for TLS; what follows it is TLS already
  if (::recv(socket, wish, sizeof wish, MSG_WAITALL) != sizeof wish) return;
  const Owned<SSL_CTX, SSL_CTX_free> context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_use_certificate(context.get(), identity.certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), identity.key.get());
  const Owned<SSL, SSL_free> ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), socket);
  if (SSL_accept(ssl.get()) != 1) return;
  char login[4096];
  if (SSL_read(ssl.get(), login, sizeof login) <= 0) return;
  const std::string ok = std::string("\x07\0\0\x03", 4) + kOk;
  SSL_write(ssl.get(), ok.data(), static_cast<int>(ok.size()));
  SSL_read(ssl.get(), login, sizeof login);
}

Target verifying(const FakeServer& server, const std::string& ca_file) {
  Target target = server.target();
  target.tls = Tls::verify;
  target.ca_file = ca_file;
  return target;
}

TEST(MysqlTls, TrustsACertificateOfTheGivenAuthorityForThisHost) {
  const SelfSigned identity("IP:127.0.0.1");
  FakeServer server([&](int socket) { serve_tls(socket, identity); });
  Session session(verifying(server, identity.file), {});
  EXPECT_FALSE(session.cipher().empty());
}

TEST(MysqlTls, RefusesACertificateForAnotherHost) {
  const SelfSigned identity("DNS:db.example.com");
  FakeServer server([&](int socket) { serve_tls(socket, identity); });
  const Error error = error_of([&] { Session session(verifying(server, identity.file), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::bad_config) << error.what();
}

TEST(MysqlTls, RefusesACertificateOfAnUnknownAuthority) {
  const SelfSigned identity("IP:127.0.0.1");
  const SelfSigned other("IP:127.0.0.1");
  FakeServer server([&](int socket) { serve_tls(socket, identity); });
  const Error error = error_of([&] { Session session(verifying(server, other.file), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::bad_config) << error.what();
}

TEST(MysqlTls, RefusesACertificateThatNoAuthorityOfTheSystemSigned) {
  const SelfSigned identity("IP:127.0.0.1");
  FakeServer server([&](int socket) { serve_tls(socket, identity); });
  const Error error = error_of([&] { Session session(verifying(server, ""), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::bad_config) << error.what();
}

TEST(MysqlTls, EncryptsWithAnyCertificateWhereOnlyThatIsRequired) {
  const SelfSigned identity("DNS:db.example.com");
  FakeServer server([&](int socket) { serve_tls(socket, identity); });
  Target target = server.target();
  target.tls = Tls::require;
  Session session(target, {});
  EXPECT_FALSE(session.cipher().empty());
}

TEST(MysqlTls, NamesACertificateFileThatIsNotThere) {
  const SelfSigned identity("IP:127.0.0.1");
  FakeServer server([&](int socket) { serve_tls(socket, identity); });
  const Error error = error_of([&] { Session session(verifying(server, "/no/such/ca.pem"), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::bad_config) << error.what();
  EXPECT_NE(std::string(error.what()).find("/no/such/ca.pem"), std::string::npos) << error.what();
}

}  // namespace
}  // namespace syncflow::mysql
