#include "runtime/guest_mounts.h"

#include <array>

namespace hako::runtime {

namespace {

constexpr const char* kUpper = "upper";
constexpr const char* kWork = "work";

}  // namespace

GuestPaths::GuestPaths(std::string_view container) : root(guest_rootfs(container)) {
    const auto folder = root.substr(0, root.rfind('/'));
    image = folder + "/image";
    scratch = folder + "/scratch";
    upper = fmt::format("{}/{}", scratch, kUpper);
    work = fmt::format("{}/{}", scratch, kWork);
}

std::vector<std::string> scratch_folders() { return {kUpper, kWork}; }

std::vector<std::string> scratch_files() { return {fmt::format("{}/.dockerenv", kUpper)}; }

std::vector<guest::Mount> container_mounts(const ContainerSpec& container) {
    const GuestPaths paths(container.id);
    std::vector<guest::Mount> mounts = {
        {.disk_serial = container.rootfs.serial,
         .type = "erofs",
         .target = paths.image,
         .options = {"ro"}},
        {.disk_serial = container.scratch.serial,
         .type = "ext4",
         .target = paths.scratch,
         .options = {"discard"}},  // what the container frees, the host has back
        {.source = "overlay",
         .type = "overlay",
         .target = paths.root,
         .options = {"lowerdir=" + paths.image, "upperdir=" + paths.upper, "workdir=" + paths.work},
         .create_directories = true},
    };
    for (const auto& disk : container.volumes)
        mounts.push_back({.disk_serial = disk.serial,
                          .type = "ext4",
                          .target = fmt::format("{}/{}", kVolumeMount, disk.serial),
                          .options = {disk.read_only ? "ro" : "discard"}});
    for (const auto& disk : container.images)
        mounts.push_back({.disk_serial = disk.serial,
                          .type = "erofs",
                          .target = fmt::format("{}/{}", kVolumeMount, disk.serial),
                          .options = {"ro"}});
    return mounts;
}

Result<void> mount_shares(guest::AgentClient& agent, std::size_t max_files) {
    guest::Mount mount{.source = std::string(vmm::kShareTag),
                       .type = "virtiofs",
                       .target = std::string(kShareMount)};
    if (max_files > 0) {
        mount.options = {fmt::format("max_files={}", max_files)};
        if (agent.mount(std::array{mount})) return {};
        mount.options.clear();  // a kernel that is not ours has no such option
    }
    return agent.mount(std::array{mount});
}

}  // namespace hako::runtime
