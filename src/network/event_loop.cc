#include "network/event_loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <future>

#include "base/thread.h"

namespace hako::network {

Watch& Watch::operator=(Watch&& other) noexcept {
    if (this != &other) {
        reset();
        loop_ = std::exchange(other.loop_, nullptr);
        fd_ = other.fd_;
        id_ = other.id_;
        events_ = other.events_;
    }
    return *this;
}

void Watch::reset() {
    if (loop_ == nullptr) return;
    want(0);
    loop_->handlers_.erase(id_);
    loop_ = nullptr;
}

void Watch::want(std::uint32_t events) {
    if (loop_ == nullptr || events == events_) return;
    // Not merely "no events": a peer that is gone (EPOLLHUP) would be told again and again.
    const int change = events == 0 ? EPOLL_CTL_DEL : events_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    epoll_event event{};
    event.events = events_ = events;
    event.data.u64 = id_;
    ::epoll_ctl(loop_->epoll_.get(), change, fd_, &event);
}

Result<std::unique_ptr<EventLoop>> EventLoop::start(const std::string& name) {
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    epoll_event event{};
    event.events = EPOLLIN;
    if (!epoll || !wake || ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0)
        return fail_errno(errno, "cannot make an event loop");
    std::unique_ptr<EventLoop> loop(new EventLoop(std::move(epoll), std::move(wake)));
    loop->thread_ = start_thread(name, [&loop = *loop](const std::stop_token&) { loop.run(); });
    return loop;
}

EventLoop::~EventLoop() {
    call([this] { stopping_ = true; });
    thread_.join();
}

void EventLoop::call(const std::function<void()>& work) {
    std::promise<void> done;
    posted_.lock()->push_back([&] {
        work();
        done.set_value();
    });
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
    done.get_future().wait();
}

Watch EventLoop::watch(int fd, std::uint32_t events, Handler handler) {
    const std::uint64_t id = next_id_++;
    handlers_.emplace(id, std::make_shared<Handler>(std::move(handler)));
    Watch watch(this, fd, id);
    watch.want(events);
    return watch;
}

void EventLoop::after(std::chrono::milliseconds delay, std::function<void()> work) {
    timers_.emplace(Clock::now() + delay, std::move(work));
}

void EventLoop::run_posted() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto ignored = ::read(wake_.get(), &count, sizeof count);
    std::vector<std::function<void()>> posted;
    std::swap(posted, *posted_.lock());
    for (const auto& work : posted) work();
}

// Milliseconds until the next one, -1 without.
int EventLoop::run_timers() {
    while (!timers_.empty()) {
        const auto first = timers_.begin();
        const auto left = first->first - Clock::now();
        if (left > Clock::duration::zero())
            return int(std::chrono::ceil<std::chrono::milliseconds>(left).count());
        const auto work = std::move(first->second);
        timers_.erase(first);
        run_guarded("timer", work);
    }
    return -1;
}

void EventLoop::run() {
    std::array<epoll_event, 64> events;
    while (!stopping_) {
        const int timeout = run_timers();
        const int count = ::epoll_wait(epoll_.get(), events.data(), int(events.size()), timeout);
        for (int i = 0; i < count && !stopping_; ++i) {
            const epoll_event& event = events[std::size_t(i)];
            if (event.data.u64 == 0) {
                run_posted();
                continue;
            }
            // A handler before may have ended this one; and this one may end itself.
            const auto found = handlers_.find(event.data.u64);
            if (found == handlers_.end()) continue;
            const auto handler = found->second;
            run_guarded("handler", [&] { (*handler)(event.events); });
        }
    }
    // What waits for call() is answered.
    run_posted();
}

}  // namespace hako::network
