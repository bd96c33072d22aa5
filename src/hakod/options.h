// hakod's command line.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "hakod/config_file.h"

namespace hako::hakod {

struct Options {
    std::filesystem::path root = "/var/lib/hako";  // images, containers, the database
    std::filesystem::path run = "/run/hako";       // sockets, running VMs
    std::vector<std::string> hosts;                // empty: unix://<run>/docker.sock
    bool rootless = false;                         // in a namespace of an ordinary user's own
    bool default_bridge = true;                    // --bridge none: containers have no network
    bool reset = false;                            // undo all that was done, instead of serving
    LogLevel log_level = LogLevel::info;
    Configuration configuration = {};
    // Set when there is nothing to serve: after --help, --version, or a wrong option.
    std::optional<int> exit_code;
};

// Reads the configuration file, too. Prints what --help and --version ask for, and what is wrong.
Options parse_options(int argc, char** argv);

}  // namespace hako::hakod
