#include "engine/key_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <queue>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace syncflow {
namespace {

constexpr std::size_t kTailBytes = 1u << 20;
constexpr std::size_t kReadBytes = 64u << 10;
/// What a key costs in memory besides its bytes, roughly.
constexpr std::size_t kKeyOverhead = 64;

std::filesystem::path folder() {
  std::error_code missing;
  std::filesystem::path found = std::filesystem::temp_directory_path(missing);
  if (missing)
    throw Error(
        ErrorKind::unavailable,
        fmt::format("the folder for temporary files cannot be used: {}; TMPDIR names it", missing.message()));
  return found;
}

[[noreturn]] void fail(const char* what) {
  const int reason = errno;
  const bool full = reason == ENOSPC || reason == EDQUOT;
  throw Error(ErrorKind::unavailable,
              fmt::format("a temporary file for keys in {} could not be {}: {}{}", folder().string(), what,
                          std::strerror(reason),
                          full ? " (make room there, or let TMPDIR name a folder that has some)" : ""));
}

int nameless_file() {
  std::string path = (folder() / "syncflow-keys-XXXXXX").string();
  const int file = mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) fail("made");
  unlink(path.c_str());
  return file;
}

void append_number(std::uint32_t number, std::string& out) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

std::uint32_t take_length(std::string_view& in) {
  std::uint32_t number = 0;
  std::memcpy(&number, in.data(), sizeof number);
  in.remove_prefix(sizeof number);
  return number;
}

/// Reads records back: their length, the mark, and type, length and canonical text of each cell.
class FileStream : public KeyStream {
 public:
  FileStream(const Spill& spill, std::uint64_t from, std::uint64_t to) : spill_(spill), at_(from), to_(to) {}

  const ListedKey* next() override {
    if (!have(sizeof(std::uint32_t))) return nullptr;
    std::string_view head(buffer_.data() + begin_, sizeof(std::uint32_t));
    const std::size_t length = take_length(head);
    if (!have(sizeof(std::uint32_t) + length))
      throw Error(ErrorKind::bug, "a file of keys ends within a key");
    parse({buffer_.data() + begin_ + sizeof(std::uint32_t), length});
    begin_ += sizeof(std::uint32_t) + length;
    return &key_;
  }

 private:
  /// Whether so many bytes are left; they are in the buffer then.
  bool have(std::size_t bytes) {
    if (buffer_.size() - begin_ >= bytes) return true;
    buffer_.erase(0, begin_);
    begin_ = 0;
    const std::size_t kept = buffer_.size();
    const std::size_t wanted = std::min<std::uint64_t>(std::max(kReadBytes, bytes - kept), to_ - at_);
    buffer_.resize(kept + wanted);
    const std::size_t got = spill_.read(at_, buffer_.data() + kept, wanted);
    buffer_.resize(kept + got);
    at_ += got;
    return buffer_.size() >= bytes;
  }

  void parse(std::string_view record) {
    arena_.clear();
    key_.cells.clear();
    key_.mark = static_cast<std::uint8_t>(record.front());
    record.remove_prefix(1);
    while (!record.empty()) {
      const auto type = static_cast<Type>(record.front());
      record.remove_prefix(1);
      const std::uint32_t length = take_length(record);
      const std::string_view text = record.substr(0, length);
      record.remove_prefix(length);
      key_.cells.push_back(type == Type::null ? Value::null() : parse_value(type, text, arena_));
    }
  }

  const Spill& spill_;
  std::uint64_t at_;
  const std::uint64_t to_;
  std::string buffer_;
  std::size_t begin_ = 0;
  Arena arena_;
  ListedKey key_;
};

class PieceStream : public KeyStream {
 public:
  explicit PieceStream(const std::vector<ListedKey>& keys) : keys_(keys) {}
  const ListedKey* next() override { return at_ == keys_.size() ? nullptr : &keys_[at_++]; }

 private:
  const std::vector<ListedKey>& keys_;
  std::size_t at_ = 0;
};

/// The least key of several sorted lists, again and again.
class MergedStream : public KeyStream {
 public:
  explicit MergedStream(std::vector<std::unique_ptr<KeyStream>> lists) : lists_(std::move(lists)) {
    for (std::size_t i = 0; i < lists_.size(); ++i) push(i);
  }

  const ListedKey* next() override {
    if (last_) push(*std::exchange(last_, std::nullopt));
    if (heads_.empty()) return nullptr;
    const Head head = heads_.top();
    heads_.pop();
    last_ = head.list;
    return head.key;
  }

 private:
  struct Head {
    const ListedKey* key;
    std::size_t list;
    bool operator<(const Head& other) const {
      const auto order = compare_cells(key->cells, other.key->cells);
      return order != 0 ? order > 0 : list > other.list;
    }
  };
  void push(std::size_t list) {
    if (const ListedKey* key = lists_[list]->next()) heads_.push({key, list});
  }

  std::vector<std::unique_ptr<KeyStream>> lists_;
  std::priority_queue<Head> heads_;
  std::optional<std::size_t> last_;  ///< the list whose key was handed out: it moves on only now
};

}  // namespace

std::strong_ordering compare_cells(std::span<const Value> a, std::span<const Value> b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    if (const auto order = compare(a[i], b[i]); order != 0) return order;
  return a.size() <=> b.size();
}

Spill::Spill(Spill&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      written_(std::exchange(other.written_, 0)),
      tail_(std::exchange(other.tail_, {})) {}

Spill& Spill::operator=(Spill&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(written_, other.written_);
  std::swap(tail_, other.tail_);
  return *this;
}

Spill::~Spill() {
  if (file_ >= 0) close(file_);
}

void Spill::append(std::string_view bytes) {
  tail_ += bytes;
  if (tail_.size() >= kTailBytes) write_tail();
}

void Spill::write_tail() {
  if (file_ < 0) file_ = nameless_file();
  std::string_view left = tail_;
  while (!left.empty()) {
    const ssize_t wrote = pwrite(file_, left.data(), left.size(), static_cast<off_t>(written_));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail("written");
    written_ += static_cast<std::uint64_t>(wrote);
    left.remove_prefix(static_cast<std::size_t>(wrote));
  }
  tail_.clear();
}

std::size_t Spill::read(std::uint64_t at, char* into, std::size_t most) const {
  std::size_t got = 0;
  while (got < most && at < written_) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(most - got, written_ - at));
    const ssize_t read = pread(file_, into + got, wanted, static_cast<off_t>(at));
    if (read < 0 && errno == EINTR) continue;
    if (read <= 0) fail("read");
    got += static_cast<std::size_t>(read);
    at += static_cast<std::uint64_t>(read);
  }
  if (got == most || at >= size()) return got;
  const std::size_t in_tail = std::min<std::size_t>(most - got, size() - at);
  std::memcpy(into + got, tail_.data() + (at - written_), in_tail);
  return got + in_tail;
}

void KeyFile::add(std::span<const Value> cells, std::uint8_t mark) {
  record_.assign(sizeof(std::uint32_t), '\0');
  record_ += static_cast<char>(mark);
  for (const Value& cell : cells) {
    const std::string text = to_text(cell);
    record_ += static_cast<char>(cell.type());
    append_number(static_cast<std::uint32_t>(text.size()), record_);
    record_ += text;
  }
  const auto length = static_cast<std::uint32_t>(record_.size() - sizeof(std::uint32_t));
  std::memcpy(record_.data(), &length, sizeof length);
  spill_.append(record_);
  ++count_;
}

std::unique_ptr<KeyStream> KeyFile::read(std::uint64_t from, std::uint64_t to) const {
  return std::make_unique<FileStream>(spill_, from, to);
}

void KeySorter::add(const ListedKey& key) {
  ListedKey kept{{}, key.mark};
  for (const Value& cell : key.cells) {
    kept.cells.push_back(cell.copied_to(arena_));
    size_bytes_ += sizeof(Value) + cell.size_bytes();
  }
  size_bytes_ += kKeyOverhead;
  piece_.push_back(std::move(kept));
  if (size_bytes_ >= piece_bytes_) put_piece_away();
}

void KeySorter::put_piece_away() {
  std::sort(piece_.begin(), piece_.end(),
            [](const ListedKey& a, const ListedKey& b) { return compare_cells(a.cells, b.cells) < 0; });
  for (const ListedKey& key : piece_) pieces_.add(key.cells, key.mark);
  ends_.push_back(pieces_.size_bytes());
  piece_.clear();
  arena_.clear();
  size_bytes_ = 0;
}

std::unique_ptr<KeyStream> KeySorter::sorted() {
  if (ends_.empty()) {
    std::sort(piece_.begin(), piece_.end(),
              [](const ListedKey& a, const ListedKey& b) { return compare_cells(a.cells, b.cells) < 0; });
    return std::make_unique<PieceStream>(piece_);
  }
  put_piece_away();
  std::vector<std::unique_ptr<KeyStream>> lists;
  for (std::size_t i = 0; i < ends_.size(); ++i)
    lists.push_back(pieces_.read(i == 0 ? 0 : ends_[i - 1], ends_[i]));
  return std::make_unique<MergedStream>(std::move(lists));
}

}  // namespace syncflow
