// What a container has mounted: asked for, and found. No behaviour; names follow the Docker Engine
// API.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hako::engine {

enum class MountType { bind, volume, tmpfs, image };
inline constexpr std::array kMountTypes{MountType::bind, MountType::volume, MountType::tmpfs,
                                        MountType::image};
std::string_view to_string(MountType type);

// One of -v, --mount, and of the volumes that image and container name by their targets alone.
struct MountRequest {
    MountType type = MountType::volume;
    std::string source;  // bind: a path; volume: a name, empty: an anonymous one; image: its name
    std::string target;
    std::string mode;  // of -v, as inspect shows it: "ro,z"
    bool read_only = false;
    bool make_source = false;  // bind: a folder where there is nothing
    bool no_copy = false;      // volume: a fresh one stays empty
    std::string propagation;
    std::string subpath;  // of the volume or image
    std::string driver;   // of a volume that is not there yet
    std::map<std::string, std::string> driver_options, labels;
    std::uint64_t tmpfs_size = 0;  // bytes; 0: half of the memory
    int tmpfs_mode = 0;            // 0: 1777
};

// Docker's `MountPoint`.
struct MountPoint {
    MountType type = MountType::volume;
    std::string name;    // of the volume; image: its id
    std::string source;  // bind: the path on the host; image: as it was asked for
    std::string target;
    std::string driver;  // of the volume
    std::string mode;
    std::string propagation;
    std::string subpath;
    std::string tmpfs_options;  // as mount(8) takes them
    bool read_only = false;
    bool copy_up = false;      // a fresh volume gets what the image has there
    bool anonymous = false;    // goes with its container
    bool make_source = false;  // bind: a folder where there is nothing, at each start
    // "noexec" and the like, of its volume, once it is located (locate_mounts).
    std::vector<std::string> restrictions = {};
    std::vector<std::filesystem::path> extents = {};  // likewise, of its image
};

}  // namespace hako::engine
