// Joins the user's streams with a container's: the raw connection after attach or exec.
#pragma once

#include <csignal>
#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "cli/stdio.h"
#include "http/client.h"

namespace hako::cli {

struct RelayOptions {
    bool tty = false;                         // the stream is raw bytes, else it is multiplexed
    bool input = false;                       // send our stdin
    bool output = true;                       // show the container's stdout
    bool errors = true;                       // show the container's stderr
    std::vector<std::byte> detach_keys = {};  // looked for when tty and input
    // Called with each signal that the watch saw; none: a signal ends the relay.
    std::function<void(int signal)> on_signal = {};
    // Called when the terminal's size has changed.
    std::function<void()> on_resize = {};
};

struct RelayEnd {
    enum class Kind {
        closed,       // the container's side ended
        detached,     // the user typed the detach keys
        interrupted,  // by `signal`; if signals are handed on: the third SIGINT or SIGTERM
    };
    Kind kind = Kind::closed;
    int signal = 0;
    std::optional<WallTime> first_output = {};  // when the first byte was shown
};

// Collects signals from its construction on, so that none is lost between a container's start and
// the relay; afterwards they act as before. Of the calling thread and those that it starts later.
class SignalWatch {
public:
    // all: those that end or steer a program (HUP INT QUIT TERM USR1 USR2 CONT), which run and
    // attach hand to the container; else only changes of the terminal's size.
    static Result<SignalWatch> start(bool all);
    SignalWatch(SignalWatch&& other) noexcept;
    SignalWatch& operator=(SignalWatch&&) = delete;
    ~SignalWatch();

    int fd() const { return fd_.get(); }
    // The next pending signal, nullopt when there is none.
    std::optional<int> next() const;

private:
    SignalWatch(Fd fd, const sigset_t& before) : fd_(std::move(fd)), before_(before) {}
    Fd fd_;
    sigset_t before_;
};

// Until one side ends. Nothing of the output is lost or waits for the input: a container that does
// not read its stdin does not hold up what it writes.
Result<RelayEnd> relay(const Stdio& io, http::Upgraded connection, const SignalWatch& signals,
                       const RelayOptions& options);

}  // namespace hako::cli
