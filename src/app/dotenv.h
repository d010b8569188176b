#pragma once

#include <map>
#include <string>

namespace syncflow::app {

/// Reads the lines of a .env file: `NAME=value`, `export NAME=value`, blank lines and `# comments`.
///
/// A value in single quotes is taken as it is, one in double quotes knows \n \r \t \" \$ and \\; both may go
/// over several lines. Without quotes it ends at the line's end or at ` #`, and blanks around it go. The
/// last of two lines of one name counts. Nothing is filled in.
///
/// Throws Error(bad_config) that begins with `file` and the line, and never repeats what stands there.
std::map<std::string, std::string> parse_dotenv(const std::string& text, const std::string& file);

}  // namespace syncflow::app
