// One thread that waits for many descriptors and times. Everything but call() and the destructor is
// for that thread only: in handlers, timers and what call() runs.
#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/guarded.h"

namespace hako::network {

class EventLoop;

// A descriptor that is waited for, until this goes. Borrowed: the descriptor outlives it.
class Watch {
public:
    Watch() = default;
    Watch(Watch&& other) noexcept
        : loop_(std::exchange(other.loop_, nullptr)),
          fd_(other.fd_),
          id_(other.id_),
          events_(other.events_) {}
    Watch& operator=(Watch&& other) noexcept;
    ~Watch() { reset(); }

    void reset();
    // EPOLLIN, EPOLLOUT or both; 0 to pause.
    void want(std::uint32_t events);

private:
    friend class EventLoop;
    Watch(EventLoop* loop, int fd, std::uint64_t id) : loop_(loop), fd_(fd), id_(id) {}

    EventLoop* loop_ = nullptr;
    int fd_ = -1;
    std::uint64_t id_ = 0;
    std::uint32_t events_ = 0;  // 0: not waited for at present
};

class EventLoop {
public:
    using Clock = std::chrono::steady_clock;
    using Handler = std::function<void(std::uint32_t events)>;

    static Result<std::unique_ptr<EventLoop>> start(const std::string& name);
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    // Ends the thread, after what was called. What the handlers stand on must outlive that.
    ~EventLoop();

    // Runs it on the loop's thread and waits until it is done.
    void call(const std::function<void()>& work);

    Watch watch(int fd, std::uint32_t events, Handler handler);
    void after(std::chrono::milliseconds delay, std::function<void()> work);

private:
    friend class Watch;
    explicit EventLoop(Fd epoll, Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
    void run();
    void run_posted();
    int run_timers();

    Fd epoll_;
    Fd wake_;
    Guarded<std::vector<std::function<void()>>> posted_;
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, std::shared_ptr<Handler>> handlers_;
    std::multimap<Clock::time_point, std::function<void()>> timers_;
    bool stopping_ = false;
    std::jthread thread_;
};

}  // namespace hako::network
