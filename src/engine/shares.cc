#include "engine/shares.h"

#include "base/text.h"
#include "runtime/sandbox_spec.h"
#include "volume/volume.h"

namespace hako::engine {
namespace {

bool is_disk(const MountPoint& mount) {
    return mount.type == MountType::volume && mount.driver == volume::kBlock;
}

// By its place among the mounts: the same for the VM and for its guest.
std::string share_name(std::size_t index) { return fmt::format("{}", index); }
// A VM may have containers with volumes of their own.
std::string disk_name(const Container& container, std::size_t index) {
    return fmt::format("{}v{}", container.id.substr(0, 12), index);
}

std::vector<std::string> tmpfs_words(const std::string& options) {
    std::vector<std::string> words = {"nosuid", "nodev", "noexec"};
    for (std::size_t at = 0; at <= options.size();) {
        const auto comma = std::min(options.find(',', at), options.size());
        words.push_back(options.substr(at, comma - at));
        at = comma + 1;
    }
    return words;
}

}  // namespace

std::vector<oci::Mount> guest_mounts(const Container& container) {
    std::vector<oci::Mount> list;
    for (std::size_t i = 0; i < container.mounts.size(); ++i) {
        const MountPoint& mount = container.mounts[i];
        if (mount.type == MountType::tmpfs) {
            list.push_back({mount.target, "tmpfs", "tmpfs", tmpfs_words(mount.tmpfs_options)});
            continue;
        }
        const bool disk = is_disk(mount);
        std::vector<std::string> options = {"rbind"};
        if (mount.read_only) options.emplace_back("ro");
        if (mount.copy_up && !(disk && mount.read_only))
            options.emplace_back(runtime::kCopyUpOption);
        list.push_back({mount.target, "bind",
                        disk ? fmt::format("{}/{}", runtime::kVolumeMount, disk_name(container, i))
                             : fmt::format("{}/{}", runtime::kShareMount, share_name(i)),
                        std::move(options)});
    }
    return list;
}

std::vector<vmm::Share> shares(const Container& container) {
    std::vector<vmm::Share> list;
    for (std::size_t i = 0; i < container.mounts.size(); ++i) {
        const MountPoint& mount = container.mounts[i];
        if (mount.type == MountType::tmpfs || is_disk(mount)) continue;
        // A read-only volume may still be a fresh one to fill: then the guest keeps it read-only.
        list.push_back({.name = share_name(i),
                        .source = mount.source,
                        .subpath = mount.subpath,
                        .read_only = mount.read_only && !mount.copy_up});
    }
    return list;
}

std::vector<vmm::Disk> volume_disks(const Container& container) {
    std::vector<vmm::Disk> list;
    for (std::size_t i = 0; i < container.mounts.size(); ++i)
        if (const MountPoint& mount = container.mounts[i]; is_disk(mount))
            list.push_back({disk_name(container, i), {mount.source}, mount.read_only});
    return list;
}

}  // namespace hako::engine
