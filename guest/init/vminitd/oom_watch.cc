#include "init/vminitd/oom_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <sstream>

#include "base/thread.h"

namespace hako::init {

std::uint64_t count_oom_kills(const std::filesystem::path& memory_events) {
    std::istringstream words(read_file(memory_events).value_or(""));
    std::string name;
    for (std::uint64_t value = 0; words >> name >> value;)
        if (name == "oom_kill") return value;
    return 0;
}

OomWatch::OomWatch(Events& events)
    : events_(events),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      thread_(start_thread("oom-watch", [this](const std::stop_token&) { run(); })) {}

OomWatch::~OomWatch() {
    const std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof(one));
}

void OomWatch::add(const std::string& container, const std::filesystem::path& cgroup) {
    const auto file = cgroup / "memory.events";
    auto watched = watched_.lock();
    const int watch = ::inotify_add_watch(inotify_.get(), file.c_str(), IN_MODIFY);
    if (watch >= 0) watched->insert_or_assign(watch, Watched{container, file, 0});
}

void OomWatch::run() {
    alignas(inotify_event) std::array<char, 4096> buffer{};
    while (true) {
        std::array<pollfd, 2> fds{pollfd{inotify_.get(), POLLIN, 0},
                                  pollfd{stop_.get(), POLLIN, 0}};
        if (::poll(fds.data(), fds.size(), -1) < 0) continue;
        if (fds[1].revents != 0) return;
        const auto got = ::read(inotify_.get(), buffer.data(), buffer.size());
        for (ssize_t at = 0; at < got;) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof(event));
            at += static_cast<ssize_t>(sizeof(event) + event.len);
            if ((event.mask & IN_IGNORED) != 0) watched_.lock()->erase(event.wd);
            else look(event.wd);
        }
    }
}

void OomWatch::look(int watch) {
    auto watched = watched_.lock();
    const auto found = watched->find(watch);
    if (found == watched->end()) return;
    agent::v1::Event event;
    event.set_container(found->second.container);
    event.mutable_oom();
    const auto kills = count_oom_kills(found->second.file);
    for (; found->second.kills < kills; ++found->second.kills) events_.publish(event);
}

}  // namespace hako::init
