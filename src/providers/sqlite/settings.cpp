#include "providers/sqlite/settings.h"

#include <fmt/core.h>

#include <filesystem>

#include "core/calendar.h"
#include "core/error.h"
#include "core/text.h"

namespace syncflow::sqlite {
namespace {

constexpr long kLongestWaitSeconds = 3600;

std::chrono::minutes offset_of(const std::string& zone) {
  if (zone == "UTC" || zone == "Z") return std::chrono::minutes(0);
  const auto parsed = parse_iso("2000-01-01T00:00:00" + zone);
  if (!parsed || !parsed->offset_minutes)
    throw Error(ErrorKind::bad_config,
                fmt::format("timezone is \"{}\"; for SQLite it must be UTC or a fixed offset like +02:00",
                            shortened(zone)));
  return std::chrono::minutes(*parsed->offset_minutes);
}

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

bool folder_exists(const Settings& settings) {
  std::error_code ignored;
  return std::filesystem::is_directory(folder_of(settings.path), ignored);
}

Error missing(const Settings& settings) {
  if (!folder_exists(settings))
    return {ErrorKind::not_found,
            fmt::format("SQLite file {}: there is no folder {}", settings.path, folder_of(settings.path))};
  return {ErrorKind::not_found, fmt::format("SQLite file {} does not exist", settings.path)};
}

void check_writable(const Settings& settings) {
  if (settings.read_only)
    throw Error(ErrorKind::bad_config,
                fmt::format("SQLite file {} is a destination, but its connection has mode: read_only",
                            settings.path));
}

}  // namespace

std::vector<OptionSpec> option_specs() {
  return {
      {.name = "path",
       .kind = OptionKind::path,
       .required = true,
       .help = "The database file.",
       .choices = {},
       .fallback = ""},
      {.name = "timezone",
       .kind = OptionKind::text,
       .required = false,
       .help = "Of times that are stored without a zone: UTC or a fixed offset like +02:00.",
       .choices = {},
       .fallback = "UTC"},
      {.name = "mode",
       .kind = OptionKind::choice,
       .required = false,
       .help =
           "read_only never takes a lock for writing; late commits are then only found within the overlap.",
       .choices = {"read_write", "read_only"},
       .fallback = "read_write"},
      {.name = "busy_timeout",
       .kind = OptionKind::number,
       .required = false,
       .help = "How many seconds to wait for a lock that another program holds.",
       .choices = {},
       .fallback = "10"},
  };
}

Settings settings_from(const Options& options) {
  Settings settings;
  settings.path = options.get("path");
  if (settings.path.empty() || settings.path == ":memory:" || settings.path.rfind("file:", 0) == 0)
    throw Error(ErrorKind::bad_config,
                fmt::format("path is \"{}\"; it must be the path of a file that several connections can open",
                            shortened(settings.path)));
  settings.naive_offset = offset_of(options.get("timezone", "UTC"));
  settings.read_only = options.get("mode", "read_write") == "read_only";
  const long seconds = options.number("busy_timeout", 10);
  if (seconds < 0 || seconds > kLongestWaitSeconds)
    throw Error(ErrorKind::bad_config,
                fmt::format("busy_timeout is {}; it must be 0 to {} seconds", seconds, kLongestWaitSeconds));
  settings.busy_timeout = std::chrono::seconds(seconds);
  return settings;
}

void check_may_make_file(const Settings& settings) {
  check_writable(settings);
  if (!folder_exists(settings)) throw missing(settings);
}

bool file_exists(const Settings& settings) {
  std::error_code ignored;
  return std::filesystem::exists(settings.path, ignored);
}

std::unique_ptr<Database> open_file(const Settings& settings, std::stop_token stop) {
  if (!file_exists(settings)) throw missing(settings);
  const OpenMode mode = settings.read_only ? OpenMode::read_only : OpenMode::read_write;
  return std::make_unique<Database>(settings.path, mode, settings.busy_timeout, std::move(stop));
}

std::unique_ptr<Database> open_file_to_write(const Settings& settings, bool create, std::stop_token stop) {
  check_writable(settings);
  const bool fresh = !file_exists(settings);
  if (fresh && (!create || !folder_exists(settings))) throw missing(settings);
  auto database = std::make_unique<Database>(settings.path, fresh ? OpenMode::create : OpenMode::read_write,
                                             settings.busy_timeout, std::move(stop));
  // In a file of our own making readers and the writer shall not hold each other up; one that was there keeps its mode.
  if (fresh) database->prepare("PRAGMA journal_mode = WAL").run();
  database->execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
  return database;
}

}  // namespace syncflow::sqlite
