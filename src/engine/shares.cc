#include "engine/shares.h"

#include <algorithm>

#include "base/sha256.h"
#include "base/text.h"
#include "engine/sockets.h"
#include "runtime/sandbox_spec.h"
#include "volume/volume.h"

namespace hako::engine {
namespace {

bool is_image(const MountPoint& mount) { return mount.type == MountType::image; }
bool is_block_volume(const MountPoint& mount) {
    return mount.type == MountType::volume && mount.driver == volume::kBlock;
}
bool is_disk(const MountPoint& mount) { return is_block_volume(mount) || is_image(mount); }

// By what it is: the same for the VM, for its guest, and for other containers in that VM.
std::string share_name(const MountPoint& mount) {
    constexpr std::size_t kDigits = 16;
    const auto text = mount.source + '\0' + mount.subpath;
    return sha256_hex(as_bytes(text)).substr(0, kDigits);
}
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
        if (is_socket(mount)) continue;  // the guest makes one (sockets.h)
        if (mount.type == MountType::tmpfs) {
            list.push_back({mount.target, "tmpfs", "tmpfs", tmpfs_words(mount.tmpfs_options)});
            continue;
        }
        const bool disk = is_disk(mount);
        std::vector<std::string> options = {"rbind"};
        if (mount.read_only) options.emplace_back("ro");
        options.insert(options.end(), mount.restrictions.begin(), mount.restrictions.end());
        if (mount.copy_up && !(disk && mount.read_only))
            options.emplace_back(runtime::kCopyUpOption);
        // Of a share the host takes care.
        if (disk && !mount.subpath.empty())
            options.push_back(fmt::format("{}{}", runtime::kSubpathOption, mount.subpath));
        list.push_back({mount.target, "bind",
                        disk ? fmt::format("{}/{}", runtime::kVolumeMount, disk_name(container, i))
                             : fmt::format("{}/{}", runtime::kShareMount, share_name(mount)),
                        std::move(options)});
    }
    return list;
}

std::vector<vmm::Share> shares(const Container& container) {
    std::vector<vmm::Share> list;
    for (const MountPoint& mount : container.mounts) {
        if (mount.type == MountType::tmpfs || is_disk(mount) || is_socket(mount)) continue;
        // A read-only volume may still be a fresh one to fill: then the guest keeps it read-only.
        const bool read_only = mount.read_only && !mount.copy_up;
        const auto name = share_name(mount);
        const auto known = std::ranges::find(list, name, &vmm::Share::name);
        if (known != list.end()) known->read_only = known->read_only && read_only;
        else list.push_back({name, mount.source, mount.subpath, read_only});
    }
    return list;
}

Result<void> check_shares(const vmm::MachineSpec& machine, const std::vector<vmm::Share>& wanted) {
    if (wanted.empty() || vmm::has_share_device(machine)) return {};
    return fail(ErrorKind::invalid,
                "the VM that the container is to run in takes no folders, as {}: mount one in "
                "the container which the VM belongs to as well, make that one with `hako pod`, "
                "or use a volume of the driver block",
                wanted.front().source.native());
}

std::vector<vmm::Disk> volume_disks(const Container& container) {
    std::vector<vmm::Disk> list;
    for (std::size_t i = 0; i < container.mounts.size(); ++i)
        if (const MountPoint& mount = container.mounts[i]; is_block_volume(mount))
            list.push_back({disk_name(container, i), {mount.source}, mount.read_only});
    return list;
}

std::vector<vmm::Disk> image_disks(const Container& container) {
    std::vector<vmm::Disk> list;
    for (std::size_t i = 0; i < container.mounts.size(); ++i)
        if (const MountPoint& mount = container.mounts[i]; is_image(mount))
            list.push_back({disk_name(container, i), mount.extents, true});
    return list;
}

}  // namespace hako::engine
