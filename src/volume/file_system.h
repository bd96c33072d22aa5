// Local volumes that are file systems of their own: -o type=tmpfs|nfs|..., device and o, as
// mount(8) takes them. They are mounted on the host while containers use them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "volume/volume.h"

namespace hako::volume {

struct FileSystem {
    std::string type, device;
    std::string data;         // what its driver is told: "size=100m,uid=1000"
    unsigned long flags = 0;  // MS_*
};
// Nullopt: the volume's files are in a folder of the host.
std::optional<FileSystem> file_system_of(const Volume& volume);

// Mounts it where nothing is mounted yet. A server's name in a network file system's `addr` is
// looked up; without one, `device` says the server. The error says what the host has against it.
Result<void> mount_volume(const Volume& volume, const std::filesystem::path& folder);
// Whoever still has files open there keeps them. Nothing to do where nothing is mounted.
Result<void> unmount_volume(const std::filesystem::path& folder);
bool is_mount_point(const std::filesystem::path& folder);

}  // namespace hako::volume
