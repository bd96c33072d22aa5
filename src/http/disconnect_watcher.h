// Internal: notices clients that go away while their handler is busy with something else.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <thread>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/result.h"

namespace hako::http {

// One thread waits for the end of all watched connections. Any thread may call watch(); the
// watcher outlives its registrations.
class DisconnectWatcher {
public:
    enum class Until {
        half_closed,  // the client will send no more: it gave up its request
        closed,       // both directions: a hijacked connection outlives the end of its input
    };

    // Ends the watching when it goes, before the descriptor is closed.
    class Registration {
    public:
        Registration() = default;
        Registration(Registration&& other) noexcept { *this = std::move(other); }
        Registration& operator=(Registration&& other) noexcept;
        Registration(const Registration&) = delete;
        Registration& operator=(const Registration&) = delete;
        ~Registration() { end(); }
        void end();

    private:
        friend class DisconnectWatcher;
        DisconnectWatcher* watcher_ = nullptr;
        std::uint64_t key_ = 0;
        int fd_ = -1;
    };

    static Result<std::unique_ptr<DisconnectWatcher>> start();
    ~DisconnectWatcher();

    // Requests the stop when the connection ends. A descriptor is watched once at a time.
    Registration watch(int fd, Until until, std::stop_source stop);

private:
    DisconnectWatcher(Fd epoll, Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
    void run(const std::stop_token& stop);
    void report(std::uint64_t key);

    struct Watched {
        std::uint64_t next_key = 1;  // 0 is the wake-up
        std::map<std::uint64_t, std::stop_source> stops;
    };
    Fd epoll_;
    Fd wake_;
    Guarded<Watched> watched_;
    std::jthread thread_;
};

}  // namespace hako::http
