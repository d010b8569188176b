#pragma once

#include <cstdint>
#include <string>

#include "core/batch.h"
#include "store/store.h"

namespace syncflow {

/// What the cursors of pages say, in the same form for every store. Those that read one throw Error(bad_config) when it
/// is none.

/// The seq that the page's rows are below, where the newest come first: the one of the page before's last row.
std::int64_t seq_below(const Page& page);

/// Name and id that the page's syncs are behind.
Key sync_behind(const Page& page);
/// The cursor of the page that goes on behind this sync.
std::string cursor_behind(const Sync& last);

}  // namespace syncflow
