// Which daemon to talk to.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/paths.h"
#include "base/result.h"
#include "http/endpoint.h"

namespace hako::cli {

// Where our own daemon keeps its things: --root and --run, HAKO_ROOT and HAKO_RUN, else
// /var/lib/hako and /run/hako.
struct DaemonPaths {
    std::filesystem::path root;
    std::filesystem::path run;
    std::filesystem::path program = {};  // empty: hakod beside our own executable
    // Of a user who may not write into the root that nobody named; empty: the root is theirs.
    std::filesystem::path own_cache = {};

    static DaemonPaths from_environment(uid_t user = ::geteuid());

    std::filesystem::path socket() const { return Layout(root, run).socket(); }
    std::filesystem::path macos() const {
        return Layout(own_cache.empty() ? root : own_cache, run).macos();
    }
    std::filesystem::path log() const { return run / "hakod.log"; }
};

struct HostChoice {
    http::Endpoint endpoint;
    bool own = false;  // nobody named one: the daemon of DaemonPaths is ours to start
};

// --host, HAKO_HOST, DOCKER_HOST, else the socket of our own daemon. unix:// and tcp:// only.
Result<HostChoice> choose_host(const std::vector<std::string>& flags, const DaemonPaths& paths);

// Empty variables count as unset.
std::optional<std::string> environment(const char* name);

}  // namespace hako::cli
