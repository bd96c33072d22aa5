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

// What is in the root of a new scratch disk: made there, a folder takes the guest milliseconds
// less.
std::vector<std::string> scratch_folders();
// Empty files in these: programs look for .dockerenv to know that they are in a container.
std::vector<std::string> scratch_files();

// The image, the scratch disk, the overlay of both that is the container's root, and its volumes
// that are disks.
std::vector<guest::Mount> container_mounts(const ContainerSpec& container);
// Mounts all shares of a VM that has some. max_files: what the guest is told of its limit
// (vmm::Machine::max_shared_files(), kernel/changes/fs/fuse/virtiofsd.c); 0: nothing.
Result<void> mount_shares(guest::AgentClient& agent, std::size_t max_files);

}  // namespace hako::runtime
