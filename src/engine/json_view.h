#pragma once

#include <boost/json.hpp>

#include "engine/definition.h"
#include "store/model.h"

namespace syncflow {

/// What the store keeps, in the one shape that the HTTP API and the command line show it in (docs/api.md). Times are RFC 3339 in UTC; what is missing is null.

/// Adds rows read, written and so on, each under its name.
void add_figures(boost::json::object& shown, const Figures& figures);

/// The six members that `POST /jobs` answers with.
boost::json::object job_receipt(const Job& job);
boost::json::object to_json(const Job& job);
boost::json::object to_json(const TableReport& table);
boost::json::object to_json(const Run& run);
/// `last_run`: the newest run of the sync, or nothing.
boost::json::object to_json(const Sync& sync, const std::optional<Run>& last_run);
boost::json::object to_json(const QuarantinedRow& row);

/// Why the sync, which is on hold, is so, what mends it and which command goes on then.
std::string hold_in_words(const Sync& sync);

}  // namespace syncflow
