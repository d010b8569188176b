#include "api/open_files.h"

#include <sys/resource.h>

#include <algorithm>

namespace syncflow::api {
namespace {

/// For the store, connections to databases and certificates.
constexpr std::size_t kOtherFiles = 512;

}  // namespace

std::size_t raise_open_files(std::size_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kOtherFiles;
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  rlimit raised = limit;
  raised.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

std::size_t connections_within(std::size_t open_files, std::size_t wanted) {
  // Where the limit is low, half of it: the engine's work goes before the API's.
  return std::min(wanted, open_files - std::min(kOtherFiles, open_files / 2));
}

std::size_t open_files_for(std::size_t wanted) { return wanted + kOtherFiles; }

}  // namespace syncflow::api
