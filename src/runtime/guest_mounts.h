// Where the guest has a container's disks.
#pragma once

#include <string>
#include <vector>

#include "guest/agent_client.h"
#include "runtime/sandbox_spec.h"

namespace hako::runtime {

struct GuestPaths {
    explicit GuestPaths(std::string_view container);

    std::string image;
    std::string scratch;
    std::string upper, work;  // the overlay's directories on the scratch disk
    std::string root;         // guest_rootfs()
};

// The image, the scratch disk, and the overlay of both that is the container's root.
std::vector<guest::Mount> container_mounts(const ContainerSpec& container);

}  // namespace hako::runtime
