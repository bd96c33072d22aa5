// What list and prune have in common.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "engine/types.h"

namespace hako::engine {

// label: "key" or "key=value".
bool has_label(const StringMap& labels, std::string_view label);
// What a sparse file takes on the disk; 0 where it is not.
std::uint64_t allocated_bytes(const std::filesystem::path& file);

}  // namespace hako::engine
