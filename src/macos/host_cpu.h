// What the host's processor is, as far as a macOS machine asks.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "macos/versions.h"

namespace hako::macos {

struct HostCpu {
    bool is_intel = false;
    std::set<std::string> flags;  // as /proc/cpuinfo spells them

    bool has(const std::string& flag) const { return flags.contains(flag); }
};

// The text of /proc/cpuinfo.
HostCpu parse_cpuinfo(std::string_view text);

// What will go wrong with this release and is to be said before it does: a clock that is not the
// processor's, registers that KVM does not ignore. sys: /sys, or in tests a folder.
std::vector<std::string> host_warnings(const HostCpu& cpu, const std::filesystem::path& sys);
// ErrorKind::unavailable where the release does not run on this processor.
Result<void> check_cpu(const HostCpu& cpu, const Version& version);

}  // namespace hako::macos
