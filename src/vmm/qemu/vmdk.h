// A VMDK descriptor that joins raw files to one disk (VMware "Virtual Disk Format 1.1", text
// descriptor with FLAT extents).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace hako::vmm {

struct VmdkExtent {
    std::string path;
    std::uint64_t bytes = 0;
};

// ErrorKind::invalid when an extent is empty or no multiple of 512 bytes.
Result<std::string> vmdk_descriptor(std::span<const VmdkExtent> extents);

}  // namespace hako::vmm
