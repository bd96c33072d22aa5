// Control groups, version 2.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/json.h"
#include "base/result.h"

namespace hako::init {

// One value for one file of a cgroup.
struct CgroupSetting {
    std::string file;
    std::string value;
    friend bool operator==(const CgroupSetting&, const CgroupSetting&) = default;
};
// linux.resources -> what to write, in order. Device rules are not applied (they would be BPF
// programs): the VM is the container's border, and its devices are those of the VM.
Result<std::vector<CgroupSetting>> cgroup_settings(const Json& resources);

// Kills everything in the cgroup, waits for the end of it all, removes it. Idempotent.
Result<void> remove_cgroup(const std::filesystem::path& folder);

// A container's cgroup. Thread-safe. What the kernel would do in it at each switch between
// processes waits until somebody asks: its part of the processor's time is shared out once there is
// a weight or a limit.
class Cgroup {
public:
    static Result<Cgroup> create(const std::filesystem::path& parent, const std::string& name);

    const std::filesystem::path& path() const { return path_; }
    int fd() const { return folder_.get(); }

    // Has the controllers that come only when they are asked for, as those have that may make
    // cgroups below, and containers that share a VM. What a kernel does not give is noted in the
    // log.
    void add_controllers() const;
    // A setting whose controller is not there is passed over with a note in the log.
    Result<void> apply(const std::vector<CgroupSetting>& settings) const;
    Result<std::string> read(const std::string& file) const;
    // "max" is 2^64-1; a file that is not there is 0.
    std::uint64_t read_number(const std::string& file) const;
    // Lines of "name value".
    std::map<std::string, std::uint64_t> read_table(const std::string& file) const;
    // Of it and all cgroups below.
    std::vector<pid_t> processes() const;
    Result<void> signal_all(int number) const;

    Result<void> remove() { return remove_cgroup(path_); }

private:
    Cgroup(std::filesystem::path path, Fd folder)
        : path_(std::move(path)), folder_(std::move(folder)) {}

    std::filesystem::path path_;
    Fd folder_;
};

// Below which containers' cgroups lie: the root of the cgroup2 file system in a VM.
Result<std::filesystem::path> find_cgroup2();
// Hands the controllers that there are to the children of `folder`, but for those that wait to be
// asked for.
void delegate_controllers(const std::filesystem::path& folder);

}  // namespace hako::init
