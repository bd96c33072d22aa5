#include "macos/disk_place.h"

#include "macos/disk_image.h"
#include "store/file.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;

bool has_disk(const fs::path& folder, const std::string& name) {
    std::error_code error;
    return fs::exists(folder / (name + ".img"), error) ||
           fs::exists(folder / (name + ".qcow2"), error);
}

Result<void> place(const fs::path& folder, std::size_t disk, const fs::path& wanted) {
    const auto name = disk_name(disk);
    const auto now = disk_folder(folder, name);
    if (now == wanted) return {};
    if (has_disk(now, name))
        return fail(ErrorKind::conflict,
                    "DISK{0}_SIZE: {1} lies in {2}, not in {3}: mount {2} at /storage{0}, or move "
                    "the disk",
                    disk + 1, name, now.native(), wanted.native());
    const auto link = folder / (name + std::string(kPlace));
    std::error_code error;
    fs::remove(link, error);
    if (wanted == folder) return {};
    fs::create_directory_symlink(wanted, link, error);
    if (error) return fail_errno(error.value(), "cannot make {}", link.native());
    return store::sync_folder(folder);
}

}  // namespace

fs::path disk_folder(const fs::path& folder, const std::string& name) {
    std::error_code error;
    auto target = fs::read_symlink(folder / (name + std::string(kPlace)), error);
    return error ? folder : target;
}

Result<void> place_disks(const fs::path& folder, const MacSettings& settings,
                         const DiskFolders& places) {
    for (std::size_t disk = 1; disk < settings.disks.size(); ++disk) {
        if (!settings.disks[disk] || settings.host_disks.contains(disk)) continue;
        const auto wanted = places.find(disk);
        HAKO_CHECK(place(folder, disk, wanted == places.end() ? folder : wanted->second));
    }
    return {};
}

}  // namespace hako::macos
