#pragma once

#include <cstddef>

namespace syncflow::api {

/// Raises this process's limit of open files towards `wanted`, as far as the system lets it, and returns the limit.
std::size_t raise_open_files(std::size_t wanted);

/// How many of `wanted` connections fit beside the files that the engine needs, with this limit of open files.
std::size_t connections_within(std::size_t open_files, std::size_t wanted);

/// What `wanted` connections and the engine need.
std::size_t open_files_for(std::size_t wanted);

}  // namespace syncflow::api
