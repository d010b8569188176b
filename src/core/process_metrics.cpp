#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/metrics.h"
#include "core/text.h"

namespace syncflow::metrics {
namespace {

/// Fields of /proc/self/stat by the numbers of proc(5), which counts from 1.
constexpr std::size_t kThreads = 20, kStartTicks = 22, kVirtualBytes = 23, kResidentPages = 24;

/// Empty where there is no /proc.
std::string file(const char* path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return std::move(text).str();
}

double number(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// When the machine started, in seconds of the epoch.
double boot_time() {
  const std::string stat = file("/proc/stat");
  const std::size_t at = stat.find("\nbtime ");
  return at == std::string::npos ? 0 : number(std::string_view(stat).substr(at + 7));
}

Family family(const char* name, const char* help, double value, bool counts = false) {
  return {name, help, counts, {{{}, value}}};
}

void add_files(std::vector<Family>& families) {
  std::error_code problem;
  std::filesystem::directory_iterator open("/proc/self/fd", problem);
  // One of them is the listing's own.
  if (!problem)
    families.push_back(family("process_open_fds", "Number of open file descriptors.",
                              static_cast<double>(std::distance(begin(open), end(open))) - 1));
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
    families.push_back(family("process_max_fds", "Maximum number of open file descriptors.",
                              static_cast<double>(limit.rlim_cur)));
}

}  // namespace

std::vector<Family> of_this_process() {
  std::vector<Family> families{
      {"syncflow_build_info",
       "The version that runs; always 1.",
       false,
       {{{{"version", SYNCFLOW_VERSION}}, 1}}},
      family("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
             processor_seconds(), true)};
  add_files(families);
  const std::string stat = file("/proc/self/stat");
  // The program's name, the second field, stands in parentheses and may hold anything.
  const std::size_t name_end = stat.rfind(") ");
  if (name_end == std::string::npos) return families;
  const std::vector<std::string> fields = split(std::string_view(stat).substr(name_end + 2), ' ');
  const auto field = [&](std::size_t n) { return number(fields.at(n - 3)); };
  families.push_back(family("process_threads", "Number of threads.", field(kThreads)));
  families.push_back(
      family("process_virtual_memory_bytes", "Virtual memory size in bytes.", field(kVirtualBytes)));
  families.push_back(family("process_resident_memory_bytes", "Resident memory size in bytes.",
                            field(kResidentPages) * static_cast<double>(sysconf(_SC_PAGESIZE))));
  families.push_back(family("process_start_time_seconds",
                            "Start time of the process since unix epoch in seconds.",
                            boot_time() + field(kStartTicks) / static_cast<double>(sysconf(_SC_CLK_TCK))));
  return families;
}

}  // namespace syncflow::metrics
