#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "providers/mysql/provider.h"
#include "testkit/destination_contract.h"
#include "testkit/mysql_server.h"
#include "testkit/rows.h"

namespace syncflow::mysql {

using testkit::BatchBuilder;
using testkit::field;
using testkit::make_schema;
using testkit::Replica;

/// On each server, a database of its own and connections to it.
class MysqlLive : public testkit::OnMysqlServers {
 protected:
  std::unique_ptr<Connection> connect(const std::map<std::string, std::string>& more = {}) {
    return connect_as(database().target(), more);
  }
  std::unique_ptr<Connection> connect_as(const Target& target,
                                         const std::map<std::string, std::string>& more = {}) {
    Options options = testkit::mysql_options_of(target);
    for (const auto& [name, value] : more) options.set(name, value);
    return provider().connect(options, Resources{clock_, stop_.get_token(), sessions_});
  }

  static SourceSpec reading(const std::string& table, const std::string& cursor = "") {
    SourceSpec spec;
    spec.table = table;
    spec.cursor = cursor;
    spec.strategy = cursor.empty() ? Strategy::diff : Strategy::cursor;
    return spec;
  }

  static DestinationSpec writing(const std::string& table, const Schema& incoming) {
    DestinationSpec spec;
    spec.table = table;
    spec.incoming = incoming;
    spec.incoming.table = table;
    spec.deletes = Deletes::hard;
    return spec;
  }

  /// Reads on from `position` to the end; returns where the next read begins.
  static Position read_on(Source& source, const Position& position, Replica& replica) {
    source.open(position);
    for (;;) {
      const Batch batch = source.next(1000, 8u << 20);
      replica.apply(batch);
      if (batch.caught_up) return batch.resume;
    }
  }

  /// Copies everything from one table to another.
  WriteResult copy(Source& source, Destination& destination, WriteMode mode = WriteMode::upsert) {
    WriteResult sum;
    source.open({});
    for (;;) {
      const Batch batch = source.next(1000, 8u << 20);
      for (const Refusal& refusal : batch.refusals) ADD_FAILURE() << refusal.field << ": " << refusal.reason;
      const WriteResult result = destination.write(batch, mode, fence_);
      sum.written += result.written;
      sum.unchanged += result.unchanged;
      sum.rejected.insert(sum.rejected.end(), result.rejected.begin(), result.rejected.end());
      if (batch.caught_up) return sum;
    }
  }

  std::vector<testkit::TextRow> rows(const std::string& sql) { return database().rows(sql); }

  SystemClock clock_;
  SessionPool* sessions_ = nullptr;  ///< of the connections that are made from now on
  std::stop_source stop_;
  testkit::TestFence fence_;
};

inline ErrorKind kind_of_throwing(const std::function<void()>& action, const std::string& words) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::bug;
}

}  // namespace syncflow::mysql
