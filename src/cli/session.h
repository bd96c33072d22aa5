// What the commands of one run share: the streams, and the daemon they talk to.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "cli/api.h"
#include "cli/daemon.h"
#include "cli/stdio.h"

namespace hako::cli {

class Command;

class Session {
public:
    Session(Stdio stdio, DaemonPaths folders) : io(stdio), paths(std::move(folders)) {}

    // Connects on first use. When the daemon is our own (no host was named) and none runs, it is
    // started.
    Result<const Api*> api();
    // Which daemon: --host, HAKO_HOST, DOCKER_HOST, else our own.
    Result<HostChoice> host() const { return choose_host(host_flags, paths); }

    Stdio io;
    DaemonPaths paths;
    std::vector<std::string> host_flags;  // of --host
    const Command* root = nullptr;        // all commands, for completion

private:
    std::optional<Api> api_;
};

}  // namespace hako::cli
