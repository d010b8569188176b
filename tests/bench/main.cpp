// syncflow_bench: what script/bench measures from inside.
#include <charconv>
#include <exception>
#include <iostream>
#include <string_view>

#include "bench/measures.h"
#include "core/log.h"

namespace {

constexpr std::string_view kUsage =
    "syncflow_bench jobs STORE CONCURRENCY JOBS\n"
    "syncflow_bench looks CONFIG SYNC LOOKS\n";

/// 0: it is no number.
std::size_t number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace syncflow;
  try {
    log::configure(log::Level::warn, log::Form::json);
    const std::string_view measure = argc == 5 ? argv[1] : "";
    const std::size_t last = argc == 5 ? number(argv[4]) : 0;
    if (measure == "jobs" && last > 0 && number(argv[3]) > 0)
      std::cout << bench::measure_jobs(argv[2], number(argv[3]), last) << "\n";
    else if (measure == "looks" && last > 0)
      std::cout << bench::measure_looks(argv[2], argv[3], last) << "\n";
    else {
      std::cerr << kUsage;
      return 2;
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "syncflow_bench: " << error.what() << "\n";
    return 1;
  }
}
