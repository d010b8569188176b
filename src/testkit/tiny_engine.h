#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "provider/source.h"

namespace syncflow::testkit {

/// The least that an engine must do with a Source: copies a table into a map, drops what it applied before, keeps
/// position and window together, and can be killed between any two steps.
///
/// A model to test sources against: it does per row what engine/ does per batch. Not thread-safe.
class TinyEngine {
 public:
  using Row = std::vector<std::optional<std::string>>;  ///< canonical texts, null as empty
  using OpenSource = std::function<std::unique_ptr<Source>()>;

  /// `open_source` is called for each read and each look, as after a restart.
  explicit TinyEngine(OpenSource open_source, Strategy strategy = Strategy::cursor)
      : open_source_(std::move(open_source)), strategy_(strategy) {}

  /// When the engine dies in a read.
  struct Crash {
    std::size_t batch = 0;     ///< in the batch of that number, from 0
    bool after_write = false;  ///< the rows are at the destination, the position is not saved
  };
  /// What one read did.
  struct Figures {
    std::size_t batches = 0;
    std::size_t changes = 0;  ///< handed out
    std::size_t applied = 0;  ///< of these, not known from the window: written
    bool caught_up = false;
  };

  /// Reads from the stored position until caught up, or until it dies.
  Figures read(std::size_t max_rows = 100, std::optional<Crash> crash = {});
  /// Asks the source whether anything is new. On `no` the probe's position is kept.
  Changed look();
  /// Looks, and reads unless there is nothing. What a poller and a worker do.
  Figures poll(std::size_t max_rows = 100, std::optional<Crash> crash = {});

  const std::map<Key, Row>& copy() const { return copy_; }
  const Position& position() const { return saved_.position; }
  /// Keys whose rows are remembered.
  std::size_t window_rows() const { return saved_.window.size(); }
  /// Rows that the source could not read losslessly.
  const std::map<Key, Refusal>& refused() const { return refused_; }
  /// Forgets position and window, not the copy: what follows Error(position_lost).
  void forget_position() { saved_ = {}; }

 private:
  struct Seen {
    RowHash row;
    std::int64_t generation = 0;
    Key key;
  };
  struct Saved {
    Position position;
    std::int64_t generation = 0;
    std::unordered_map<RowHash, Seen> window;
  };
  std::size_t write(const Batch& batch, Saved& state, bool trusts_window);
  bool apply(const Schema& schema, const Change& change, Saved& state, bool trusts_window);
  void end_listing(Source& source, Saved& state);

  OpenSource open_source_;
  const Strategy strategy_;
  Saved saved_;
  /// The last read died: rows may have been written that the window does not know of. One of them may since have
  /// become again what the window says, and would be dropped though the copy has another; so nothing is dropped
  /// until a read has come to its end.
  bool in_doubt_ = false;
  std::map<Key, Row> copy_;
  std::map<Key, Refusal> refused_;
};

}  // namespace syncflow::testkit
