// The virtual machines that run, and which containers are in each. A VM has the id of the container
// that it was booted for, and lives as long as any container is in it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/guarded.h"

namespace hako::engine {

struct Vm {
    explicit Vm(std::string vm_id) : id(std::move(vm_id)) {}

    const std::string id;
    // Held while it boots, while a container comes or goes, and while it ends. Taken after an
    // entry's `operation`, before its `live`.
    std::mutex operation;
    std::set<std::string> members;  // ids of containers; `operation` protects it
};

// Thread-safe.
class Vms {
public:
    std::shared_ptr<Vm> get(const std::string& id) {
        auto vms = vms_.lock();
        std::erase_if(*vms, [](const auto& item) { return item.second.expired(); });
        auto& known = (*vms)[id];
        auto vm = known.lock();
        if (!vm) known = vm = std::make_shared<Vm>(id);
        return vm;
    }

private:
    Guarded<std::map<std::string, std::weak_ptr<Vm>>> vms_;
};

}  // namespace hako::engine
