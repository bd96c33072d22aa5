#include "runtime/guest_mounts.h"

#include "runtime/sandbox_spec.h"

namespace hako::runtime {

std::string scratch_path(std::string_view name) {
    return fmt::format("{}/{}", kScratchMount, name);
}

std::vector<guest::Mount> container_mounts(const std::string& container) {
    return {
        {.disk_serial = std::string(kRootfsSerial),
         .type = "erofs",
         .target = std::string(kRootfsMount),
         .options = {"ro"}},
        {.disk_serial = std::string(kScratchSerial),
         .type = "ext4",
         .target = std::string(kScratchMount),
         .options = {"discard"}},  // what the container frees, the host has back
        {.source = "overlay",
         .type = "overlay",
         .target = guest_rootfs(container),
         .options = {fmt::format("lowerdir={}", kRootfsMount), "upperdir=" + scratch_path("upper"),
                     "workdir=" + scratch_path("work")},
         .create_directories = true},
    };
}

}  // namespace hako::runtime
