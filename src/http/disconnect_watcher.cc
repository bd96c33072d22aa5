#include "http/disconnect_watcher.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>

#include "base/log.h"
#include "base/thread.h"

namespace hako::http {

DisconnectWatcher::Registration& DisconnectWatcher::Registration::operator=(
    Registration&& other) noexcept {
    if (this == &other) return *this;
    end();
    watcher_ = std::exchange(other.watcher_, nullptr);
    key_ = other.key_;
    fd_ = other.fd_;
    return *this;
}

void DisconnectWatcher::Registration::end() {
    if (watcher_ == nullptr) return;
    ::epoll_ctl(watcher_->epoll_.get(), EPOLL_CTL_DEL, fd_, nullptr);
    watcher_->watched_.lock()->stops.erase(key_);
    watcher_ = nullptr;
}

Result<std::unique_ptr<DisconnectWatcher>> DisconnectWatcher::start() {
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    Fd wake(::eventfd(0, EFD_CLOEXEC));
    epoll_event event{EPOLLIN, {.u64 = 0}};
    if (!epoll || !wake || ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0)
        return fail_errno(errno, "cannot watch connections");
    std::unique_ptr<DisconnectWatcher> watcher(
        new DisconnectWatcher(std::move(epoll), std::move(wake)));
    watcher->thread_ = start_thread(
        "http-watch", [raw = watcher.get()](const std::stop_token& stop) { raw->run(stop); });
    return watcher;
}

DisconnectWatcher::~DisconnectWatcher() {
    thread_.request_stop();
    ::eventfd_write(wake_.get(), 1);
}

DisconnectWatcher::Registration DisconnectWatcher::watch(int fd, Until until,
                                                         std::stop_source stop) {
    Registration registration;
    {
        auto watched = watched_.lock();
        registration.key_ = watched->next_key++;
        watched->stops.emplace(registration.key_, std::move(stop));
    }
    registration.fd_ = fd;
    registration.watcher_ = this;
    // EPOLLHUP and EPOLLERR are always reported. Once is enough.
    const std::uint32_t events = until == Until::half_closed ? EPOLLRDHUP : 0U;
    epoll_event event{events | EPOLLONESHOT, {.u64 = registration.key_}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        log_warn("cannot watch a connection for its end: {}", errno_text(errno));
    return registration;
}

void DisconnectWatcher::run(const std::stop_token& stop) {
    std::array<epoll_event, 64> events;
    while (!stop.stop_requested()) {
        const int count =
            ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < count; ++i)
            if (events[i].data.u64 != 0) report(events[i].data.u64);
    }
}

void DisconnectWatcher::report(std::uint64_t key) {
    auto stop = [&] {
        auto watched = watched_.lock();
        const auto found = watched->stops.find(key);
        return found == watched->stops.end() ? std::stop_source(std::nostopstate) : found->second;
    }();
    // Outside the lock: it runs the callbacks of whoever waits.
    stop.request_stop();
}

}  // namespace hako::http
