#pragma once

#include <mysql.h>

#include <memory>

namespace syncflow::mysql {

template <auto close>
struct Closer {
  template <typename T>
  void operator()(T* handle) const noexcept {
    close(handle);
  }
};

using ConnectionHandle = std::unique_ptr<MYSQL, Closer<mysql_close>>;
using ResultHandle = std::unique_ptr<MYSQL_RES, Closer<mysql_free_result>>;
using StatementHandle = std::unique_ptr<MYSQL_STMT, Closer<mysql_stmt_close>>;

}  // namespace syncflow::mysql
