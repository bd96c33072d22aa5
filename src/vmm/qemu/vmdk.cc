#include "vmm/qemu/vmdk.h"

namespace hako::vmm {
namespace {

constexpr std::uint64_t kSector = 512;

}  // namespace

Result<std::string> vmdk_descriptor(std::span<const VmdkExtent> extents) {
    std::string text =
        "# Disk DescriptorFile\n"
        "version=1\n"
        "CID=00000001\n"
        "parentCID=ffffffff\n"
        "createType=\"monolithicFlat\"\n";
    for (const auto& [path, bytes] : extents) {
        if (bytes == 0 || bytes % kSector != 0)
            return fail(ErrorKind::invalid,
                        "{} has {} bytes: parts of a joined disk are multiples of {} bytes", path,
                        bytes, kSector);
        // QEMU ignores extents that are not RW; read-only is a property of the block device.
        text += fmt::format("RW {} FLAT \"{}\" 0\n", bytes / kSector, path);
    }
    return text;
}

}  // namespace hako::vmm
