#pragma once

#include <initializer_list>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/batch.h"
#include "core/schema.h"

namespace syncflow::testkit {

/// One cell as tests write it: a canonical text, null or absent.
class Cell {
 public:
  Cell(std::nullptr_t) {}                                            // NOLINT: tests write {1, nullptr, "a"}
  Cell(const char* text) : text_(text) {}                            // NOLINT
  Cell(std::string text) : text_(std::move(text)) {}                 // NOLINT
  Cell(int number) : text_(std::to_string(number)) {}                // NOLINT
  Cell(std::optional<std::string> text) : text_(std::move(text)) {}  // NOLINT

  /// A cell that keeps what the destination has.
  static Cell kept() {
    Cell cell(nullptr);
    cell.absent_ = true;
    return cell;
  }

  Value value(Type type, Arena& arena) const;

 private:
  std::optional<std::string> text_;
  bool absent_ = false;
};

using Cells = std::vector<Cell>;

/// A schema whose first `key_fields` fields are the key.
std::shared_ptr<const Schema> make_schema(const std::string& table, std::vector<Field> fields,
                                          std::size_t key_fields = 1);
Field field(std::string name, Type type, bool nullable = true);

/// Builds a batch change by change.
class BatchBuilder {
 public:
  explicit BatchBuilder(std::shared_ptr<const Schema> schema) : batch_(std::move(schema)) {}

  /// As many cells as the schema has fields.
  BatchBuilder& upsert(const Cells& cells);
  /// As many cells as the key has fields.
  BatchBuilder& remove(const Cells& key);
  BatchBuilder& move(const Cells& old_key, const Cells& cells);
  BatchBuilder& truncate();

  operator const Batch&() const { return batch_; }  // NOLINT: a builder is the batch so far
  const Batch& batch() const { return batch_; }

 private:
  void fill(std::span<Value> row, const Cells& cells);
  Batch batch_;
};

/// A row as canonical texts, null as empty optional.
using TextRow = std::vector<std::optional<std::string>>;
TextRow texts_of(std::span<const Value> cells);
/// For messages: `(1, "a", null)`.
std::string show(const TextRow& row);

/// What a destination would hold after applying what a source hands out.
class Replica {
 public:
  /// `lists_all`: a strategy that lists the whole table (diff), so that what it leaves out is gone.
  explicit Replica(bool lists_all = false) : lists_all_(lists_all) {}

  void apply(const Batch& batch);

  const std::map<Key, TextRow>& rows() const { return rows_; }
  /// Refused rows: key to field and reason.
  const std::map<Key, Refusal>& refused() const { return refused_; }
  /// Changes handed out in all, repeats included.
  std::size_t changes() const { return changes_; }

 private:
  bool lists_all_;
  bool listing_ = false;
  std::map<Key, TextRow> rows_;
  std::map<Key, TextRow> listed_;
  std::map<Key, Refusal> refused_;
  std::size_t changes_ = 0;
};

}  // namespace syncflow::testkit
