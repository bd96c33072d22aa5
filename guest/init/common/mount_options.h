// Mount options as fstab and the OCI runtime specification write them -> arguments of mount(2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::init {

struct MountOptions {
    unsigned long flags = 0;        // MS_*, with MS_BIND and MS_REC
    unsigned long propagation = 0;  // MS_PRIVATE, MS_SLAVE ... with MS_REC; 0: as it is
    std::string data;               // what the file system itself understands

    bool bind() const;
};

MountOptions parse_mount_options(const std::vector<std::string>& options);

// The mount itself. What mount(2) wants separately (flags of bind mounts, propagation) is for
// finish_mount, whose target is the new mount's root. Two steps, because a target given by
// descriptor (/proc/self/fd/N) is still the covered directory after the first; errors name the one
// that is shown.
Result<void> mount_at(const std::string& source, const std::string& target, const std::string& type,
                      const MountOptions& options, std::string_view shown = {});
Result<void> finish_mount(const std::string& target, const MountOptions& options,
                          std::string_view shown = {});

}  // namespace hako::init
