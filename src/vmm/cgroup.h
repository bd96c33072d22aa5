// The cgroup of one VM, hako/<id>: cgroup v2 where the host's controllers are there, else the v1
// hierarchies that exist. What cannot be limited is said, and is no error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::vmm {

struct CgroupLimits {
    std::uint64_t memory_bytes = 0;
    unsigned pids = 0;  // threads count
};

struct Cgroup {
    // A process joins by writing its pid to each.
    std::vector<std::filesystem::path> procs_files;
    std::vector<std::string> notes;  // what is not limited, and why
};

class CgroupTree {
public:
    explicit CgroupTree(std::filesystem::path mount = "/sys/fs/cgroup")
        : mount_(std::move(mount)) {}

    Cgroup create(std::string_view id, const CgroupLimits& limits) const;
    // Kills the processes in it and removes it. No error when it does not exist.
    Result<void> remove(std::string_view id) const;
    // Removes those whose id begins so and that nobody is in: what a killed owner left.
    void remove_empty(std::string_view prefix) const;

private:
    // The folders hako/<id> of every hierarchy that we use.
    std::vector<std::filesystem::path> folders(std::string_view id) const;
    bool is_v2() const;

    std::filesystem::path mount_;
};

}  // namespace hako::vmm
