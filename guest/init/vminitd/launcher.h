// Starts vmexec and talks to it (init/common/vmexec_protocol.h).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/json.h"
#include "base/result.h"
#include "init/vminitd/reaper.h"

namespace hako::init {

// Descriptors are borrowed; -1 is none, for a standard stream it is /dev/null.
struct Launch {
    Json request;
    std::string seccomp;  // struct sock_filter[]
    int in = -1, out = -1, err = -1;
    int container = -1;       // pidfd of the first process of the container to join
    int cgroup = -1;          // where the child is from its first instruction on
    unsigned namespaces = 0;  // CLONE_NEW*, made for the child
    bool forks = false;       // vmexec reports the pid of the process that stays
};

// The conversation with a started vmexec.
class Conversation {
public:
    struct Report {
        Json json;
        Fd fd;  // if one came along
    };
    explicit Conversation(Fd control) : control_(std::move(control)) {}

    // The next report; nullopt when vmexec closed the socket (or executed the program). A reported
    // failure is returned as that Error.
    Result<std::optional<Report>> receive();
    Result<void> go();

private:
    Fd control_;
};

struct Launched {
    pid_t pid = -1;
    Fd pidfd;
    Conversation conversation;
};

// Thread-safe.
class Launcher {
public:
    Launcher(std::filesystem::path vmexec, Reaper& reaper)
        : vmexec_(std::move(vmexec)), reaper_(reaper) {}

    Result<Launched> start(const Launch& launch, Reaper::OnExit on_exit);

private:
    std::filesystem::path vmexec_;
    Reaper& reaper_;
};

}  // namespace hako::init
