// Small files in memory, by their path ("EFI/OC/OpenCore.efi").
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace hako::macos {

using FileTree = std::map<std::string, std::string>;

inline std::uint64_t content_bytes(const FileTree& tree) {
    std::uint64_t total = 0;
    for (const auto& [path, content] : tree) total += content.size();
    return total;
}

}  // namespace hako::macos
