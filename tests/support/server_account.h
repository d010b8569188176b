#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace syncflow::tests {

/// Database servers refuse root: there they, and what makes their data, run as `nobody`, who must be able to pass
/// through the folders above theirs.

/// Why that cannot be on this machine, for GTEST_SKIP; empty: it can.
std::string server_account_obstacle();

/// The command that runs `command` so. As root it also ends with this process, by the signal of this name ("QUIT").
std::vector<std::string> as_server(std::vector<std::string> command, const std::string& last_signal);

/// Makes a folder that a server may use.
std::string folder_for_server(const std::filesystem::path& folder);

}  // namespace syncflow::tests
