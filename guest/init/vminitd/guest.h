// All that vminitd has to do with: the containers, and what they share.
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "init/vminitd/container.h"
#include "init/vminitd/events.h"
#include "init/vminitd/launcher.h"
#include "init/vminitd/oom_watch.h"
#include "init/vminitd/reaper.h"

namespace hako::init {

struct GuestPaths {
    std::filesystem::path vmexec;
    std::filesystem::path state;    // a tmpfs in a VM
    std::filesystem::path cgroups;  // of which containers' cgroups are children
};

// Thread-safe.
class Guest {
public:
    explicit Guest(const GuestPaths& paths)
        : launcher_(paths.vmexec, reaper_),
          surroundings_{
              paths.state,     paths.cgroups,
              launcher_,       events_,
              device_filters_, [this](const std::string& id) { return first_process_of(id); }} {}

    Events& events() { return events_; }
    // Whether the host may have us wait again (guest/wake.h).
    std::atomic<bool>& may_doze() { return may_doze_; }
    Launcher& launcher() { return launcher_; }

    Result<void> create_container(const std::string& id, Json spec,
                                  const std::map<std::string, std::string>& files,
                                  const std::vector<agent::v1::Socket>& sockets);
    Result<std::shared_ptr<Container>> container(const std::string& id) const;
    Result<std::shared_ptr<ContainerProcess>> process(const std::string& container,
                                                      const std::string& process) const;
    Result<void> delete_container(const std::string& id);

private:
    Result<std::shared_ptr<ContainerProcess>> first_process_of(const std::string& id) const;

    std::atomic<bool> may_doze_ = false;
    Events events_;
    OomWatch oom_watch_{events_};
    Reaper reaper_;
    Launcher launcher_;
    DeviceFilters device_filters_;
    Surroundings surroundings_;
    // A null container is one that is just being created.
    Guarded<std::map<std::string, std::shared_ptr<Container>>> containers_;
};

}  // namespace hako::init
