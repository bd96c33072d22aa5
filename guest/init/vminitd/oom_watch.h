// Tells of OOM kills while containers run.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/result.h"
#include "init/vminitd/events.h"

namespace hako::init {

// Publishes one event for every OOM kill in a watched cgroup. Thread-safe.
class OomWatch {
public:
    explicit OomWatch(Events& events);
    ~OomWatch();
    OomWatch(const OomWatch&) = delete;
    OomWatch& operator=(const OomWatch&) = delete;

    // A cgroup without the memory controller is not watched. A cgroup that is removed is forgotten.
    void add(const std::string& container, const std::filesystem::path& cgroup);

private:
    struct Watched {
        std::string container;
        std::filesystem::path file;
        std::uint64_t kills = 0;
    };
    void run();
    void look(int watch);

    Events& events_;
    Fd inotify_;
    Fd stop_;  // eventfd
    Guarded<std::map<int, Watched>> watched_;
    std::jthread thread_;  // last: it uses the others
};

// memory.events' count of processes that the OOM killer ended.
std::uint64_t count_oom_kills(const std::filesystem::path& memory_events);

}  // namespace hako::init
