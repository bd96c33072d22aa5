// Folders and files of the host in a VM that runs: each is there as long as a container has it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "vmm/share.h"

namespace hako::runtime {

// Any thread may call anything.
class VmShares {
public:
    using Add = std::function<Result<void>(const std::vector<vmm::Share>&)>;
    using Remove = std::function<Result<void>(const std::vector<std::string>&)>;

    // own: what the VM is started with, which stays.
    explicit VmShares(const std::vector<vmm::Share>& own) { restart(own); }
    // It is started anew, and has no others.
    void restart(const std::vector<vmm::Share>& own);

    // For one container; adds those that the VM has not, or has to read only where this one writes.
    // ErrorKind::invalid: it cannot have one of them.
    Result<void> take(const std::vector<vmm::Share>& shares, const Add& add);
    // Of one that took them; removes what no other one has.
    Result<void> drop(const std::vector<vmm::Share>& shares, const Remove& remove);

private:
    struct Entry {
        bool read_only = false;
        int users = 0;
    };
    Guarded<std::map<std::string, Entry>> entries_;  // by name; own ones have a user more
};

}  // namespace hako::runtime
