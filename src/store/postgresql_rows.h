#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/libpq/session.h"
#include "store/store.h"

namespace syncflow::postgresql_store {

/// What the sources of the PostgreSQL store share: calls with their parameters, and rows to structs.

/// One statement of the store with its parameters, $1 first.
class Call {
 public:
  explicit Call(std::string sql) : sql_(std::move(sql)) {}
  /// With the parameters of another one.
  Call(std::string sql, Call&& other) : sql_(std::move(sql)), parameters_(std::move(other.parameters_)) {}

  /// Bytes that are no text of PostgreSQL (NUL, malformed UTF-8) are replaced.
  Call& text(std::string_view text);
  Call& null();
  /// Ids are in lower case in the store.
  Call& id(std::string_view id);
  /// Four parameters: sync, run, owner and epoch.
  Call& lease(const Lease& lease);
  Call& number(std::int64_t number);
  Call& boolean(bool value);
  Call& time(Time time);
  Call& time(const std::optional<Time>& time);
  Call& duration(Duration time) { return number(time.count()); }
  Call& bytes(std::string_view bytes);
  Call& hash(const RowHash& hash);
  /// An array: each item by `append`, as `append_text` or `append_bytes`.
  template <typename Items, typename Append>
  Call& array(const Items& items, Append append) {
    std::string out = "{";
    for (const auto& item : items) {
      if (out.size() > 1) out += ',';
      append(out, item);
    }
    parameters_.emplace_back(out + "}");
    return *this;
  }
  /// The last parameter: whether this very call was tried before, and may have happened.
  Call& again() { return boolean(tried_); }

  const std::string& sql() const { return sql_; }
  const libpq::Parameters& parameters() const { return parameters_; }
  void try_again(bool tells);

 private:
  std::string sql_;
  libpq::Parameters parameters_;
  bool tried_ = false;
};

/// As the parameters of a Call: bytes that are no text of PostgreSQL are replaced, ids are in lower case.
std::string plain_text(std::string_view text);
std::string id_text(std::string_view id);
void append_text(std::string& out, std::string_view text);
void append_id(std::string& out, std::string_view id);
void append_bytes(std::string& out, std::string_view bytes);
void append_number(std::string& out, std::int64_t number);
void append_hash(std::string& out, const RowHash& hash);

Time read_time(const libpq::Rows& rows, int row, int column);
std::optional<Time> read_optional_time(const libpq::Rows& rows, int row, int column);
std::string read_bytes(const libpq::Rows& rows, int row, int column);
RowHash read_hash(const libpq::Rows& rows, int row, int column);
std::optional<RowHash> read_optional_hash(const libpq::Rows& rows, int row, int column);
/// Of the columns of the view syncflow_syncs, from `first` on.
Sync read_sync(const libpq::Rows& rows, int row, int first);
inline constexpr int kSyncColumns = 17;
/// Of the columns of the type syncflow_job, from `first` on.
Job read_job(const libpq::Rows& rows, int row, int first);

/// What the server refused as an Error: what the store's functions raise keeps their words, a right that is missing
/// is named.
Error to_error(const libpq::Session& session, const libpq::ServerError& refused);

}  // namespace syncflow::postgresql_store
