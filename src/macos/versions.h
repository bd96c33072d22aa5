// The releases of macOS that hako installs, and what each wants of a machine (data/versions.csv).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::macos {

constexpr std::string_view kDefaultVersion = "14";

struct Version {
    std::string number;    // "10.15", "14"
    std::string name;      // "Big Sur"
    int darwin = 0;        // its kernel's major version
    std::string board_id;  // for which Apple offers its recovery system
    std::string mlb;       // sent with it
    std::string os;        // "default" or "latest"
    bool needs_avx2 = false;
    std::string cpu;   // of QEMU, where the host's is no Intel
    std::string disk;  // "blk" (virtio) or "sata"
    std::string nic;   // of QEMU

    std::string slug() const;  // "big-sur"
};

const std::vector<Version>& all_versions();
// "14", "14.5", "Sonoma", "big-sur", "BigSur"; 10 is the last 10 there was, 16 is what became 26.
// ErrorKind::invalid lists what there is.
Result<Version> find_version(std::string_view text);

}  // namespace hako::macos
