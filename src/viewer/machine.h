// What a viewer needs of the machine it shows.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "http/endpoint.h"
#include "macos/progress.h"

namespace hako::viewer {

class Machine {
public:
    Machine() = default;
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    virtual ~Machine() = default;
    virtual Result<macos::Progress> progress() const = 0;
    // A connection of its own to the screen, which speaks RFB.
    virtual Result<Fd> screen() const = 0;
    // The screen's server also tells what it plays.
    virtual bool has_sound() const = 0;
    // The command that starts it, where power("start") does not; empty where that does.
    virtual std::string starter() const = 0;
    // "start", "stop", "restart" or "kill". ErrorKind::invalid for others.
    virtual Result<void> power(std::string_view action) = 0;
};

struct MachinePlaces {
    std::filesystem::path progress;  // macos/progress.h tells what these are
    std::filesystem::path vnc;
    bool has_sound = false;
    std::string starter = {};  // "docker start mac", of machines whose viewer ends with them
};
// The machine of a container; `api` is hakod's, for the power buttons.
std::unique_ptr<Machine> machine_of_container(MachinePlaces places, http::Endpoint api,
                                              std::string container);
// The machine that our parent runs (`hako macos boot`): it is asked to stop by a signal, and cannot
// be started from here.
std::unique_ptr<Machine> machine_of_parent(MachinePlaces places, pid_t process);

// The machine of a shim that we run beside: it is told by lines on the pipe what to do, and has no
// word for why it does not.
std::unique_ptr<Machine> machine_of_shim(MachinePlaces places, Fd power);

// The kernel sends us SIGTERM when our parent ends. ErrorKind::cancelled when that is not `process`
// or no longer there.
Result<void> end_with_parent(pid_t process);

}  // namespace hako::viewer
