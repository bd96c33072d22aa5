// The agent's channel behind a socket of its own: who speaks on that may end it, which gRPC does
// with a shutdown(2), and the channel stays.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <thread>

#include "base/fd.h"
#include "base/result.h"

namespace hako::runtime {

class RelayedChannel {
public:
    static Result<std::unique_ptr<RelayedChannel>> start(Fd channel);
    // Once.
    Fd take_end() { return std::move(outer_); }
    // After who spoke on it has closed it. ErrorKind::deadline: it is open.
    Result<void> wait_closed(std::chrono::milliseconds deadline);
    int channel() const { return channel_.get(); }

private:
    RelayedChannel() = default;
    void relay(const std::stop_token& stop);

    Fd channel_, inner_, outer_, closed_;
    std::jthread thread_;
};

// Has a guest that has answered Doze wait again, on the channel that nobody else uses any more.
Result<void> say_doze(int channel, std::chrono::milliseconds deadline);

}  // namespace hako::runtime
