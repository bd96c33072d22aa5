// Where the guest has a container's disks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "guest/agent_client.h"

namespace hako::runtime {

constexpr std::string_view kRootfsMount = "/run/hako/rootfs";
constexpr std::string_view kScratchMount = "/run/hako/scratch";

// Of "upper" and "work", the overlay's directories on the scratch disk.
std::string scratch_path(std::string_view name);

// The image, the scratch disk, and the overlay of both that is the container's root.
std::vector<guest::Mount> container_mounts(const std::string& container);

}  // namespace hako::runtime
