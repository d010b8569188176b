#pragma once

#include <libpq-fe.h>

#include <memory>

namespace syncflow::libpq {

template <auto close>
struct Closer {
  template <typename T>
  void operator()(T* handle) const noexcept {
    close(handle);
  }
};
using Handle = std::unique_ptr<PGconn, Closer<PQfinish>>;
using Result = std::unique_ptr<PGresult, Closer<PQclear>>;

}  // namespace syncflow::libpq
