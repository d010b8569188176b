#include "sql/diff_source.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <utility>

#include "core/error.h"

namespace syncflow::sql {
namespace {

namespace json = boost::json;

struct DiffPosition {
  std::string identity;
  std::vector<std::string> key;
  bool first = true;
  bool done = false;
  std::optional<Key> after;
};

DiffPosition parse(const Position& position) try {
  const json::value parsed = json::parse(position.token);
  const json::object& in = parsed.as_object();
  if (in.at("strategy").as_string() != "diff")
    throw Error(ErrorKind::position_lost, "the stored position is one of another strategy");
  DiffPosition out;
  out.identity = in.at("identity").as_string();
  for (const auto& name : in.at("key").as_array()) out.key.emplace_back(name.as_string());
  out.first = in.at("first").as_bool();
  out.done = in.at("done").as_bool();
  if (const auto* after = in.if_contains("after")) out.after = Key::from_json(json::serialize(*after));
  return out;
} catch (const Error& error) {
  throw Error(ErrorKind::position_lost, error.what());
} catch (const std::exception& error) {
  // The JSON library throws system_error, invalid_argument and out_of_range, by what is wrong.
  throw Error(ErrorKind::position_lost, std::string("the stored position cannot be read: ") + error.what());
}

}  // namespace

void DiffSource::open(const Position& position) {
  stop_reading();
  first_ = true;
  done_ = false;
  after_.reset();
  if (position.empty()) {
    note_identity();
  } else {
    const DiffPosition parsed = parse(position);
    check_is_own(parsed.identity, parsed.key);
    first_ = parsed.first;
    if (!parsed.done) after_ = parsed.after;
  }
  listing_begins_ = !after_;
  identity();  // now: while rows are read the connection answers nothing else
}

void DiffSource::check_is_own(const std::string& identity, const std::vector<std::string>& key) {
  check_belongs(identity);
  if (key != key_names_)
    throw Error(ErrorKind::position_lost,
                fmt::format("table {} was read by another key before", spec_.table));
}

Batch DiffSource::next(std::size_t max_rows, std::size_t max_bytes) {
  stop_scanning();
  Batch batch(schema());
  batch.loading = first_;
  batch.listing_begins = std::exchange(listing_begins_, false);
  RowQuery query;
  query.order = RowQuery::Order::key;
  query.key_above = after_;
  if (!done_ && !read_rows(query, batch, max_rows, max_bytes)) {
    stop_reading();
    done_ = true;
  }
  for (Change& change : batch.changes) change.watched = true;
  if (!batch.changes.empty()) after_ = key_of(*schema(), batch.changes.back());
  if (done_) first_ = false;
  batch.caught_up = done_;
  batch.resume = position();
  return batch;
}

Position DiffSource::position() const {
  json::object out{{"strategy", "diff"},
                   {"identity", identity()},
                   {"key", json::array(key_names_.begin(), key_names_.end())},
                   {"first", first_},
                   {"done", done_}};
  if (!done_ && after_) out["after"] = json::parse(after_->to_json());
  return {json::serialize(out)};
}

Probe DiffSource::has_changes(const Position& position) {
  if (position.empty()) return {Changed::yes, position};
  stop_reading();
  const DiffPosition parsed = parse(position);
  check_is_own(parsed.identity, parsed.key);
  return {parsed.done ? Changed::perhaps : Changed::yes, position};
}

std::string DiffSource::method() {
  return "the whole table is read and compared with what was last seen; fine for small tables, deletes "
         "included";
}

}  // namespace syncflow::sql
