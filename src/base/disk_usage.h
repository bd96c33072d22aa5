// What files take on the disk.
#pragma once

#include <cstdint>
#include <filesystem>

namespace hako {

// Bytes of a file's blocks, or of a folder and all in it. A figure for people: what is not there,
// or goes meanwhile, takes none.
std::uint64_t disk_usage(const std::filesystem::path& path);

}  // namespace hako
