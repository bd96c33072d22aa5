// How long a call waits for the guest. Of a streaming call gRPC's own deadline would count the time
// that the other end of the copy takes, too.
#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <optional>
#include <thread>

#include "base/guarded.h"

namespace hako::guest {

// Ends the connection: shutdown(2) of its socket.
using Cut = std::function<void()>;

// One call's, of one thread. The context must outlive it.
class Patience {
public:
    // timeout: for one piece of the stream. cut: where the call does not even end when it is
    // cancelled. gRPC waits for what it is just writing, and a guest may read nothing any more.
    Patience(grpc::ClientContext& context, std::chrono::milliseconds timeout, Cut cut = {});
    Patience(const Patience&) = delete;
    Patience& operator=(const Patience&) = delete;
    ~Patience();

    // What runs in here is the guest's time: when it takes longer than so many pieces may, the call
    // is cancelled.
    template <typename Body>
    auto wait(Body body, unsigned pieces = 1) {
        begin(pieces);
        auto result = body();
        end();
        return result;
    }
    // Whether that has happened.
    bool is_over() const { return state_.lock()->is_over; }

private:
    using Clock = std::chrono::steady_clock;
    struct State {
        std::optional<Clock::time_point> deadline;
        bool is_over = false;
        bool is_done = false;
        bool is_idle = false;  // the watcher: it sleeps until it is told
    };
    void begin(unsigned pieces);
    void end();
    void watch();

    grpc::ClientContext& context_;
    const std::chrono::milliseconds timeout_;
    const Cut cut_;
    Guarded<State> state_;
    std::condition_variable changed_;
    std::jthread watcher_;
};

}  // namespace hako::guest
