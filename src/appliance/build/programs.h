// The programs of an appliance, with the libraries that they need, as the host has them.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "appliance/build/image_tree.h"
#include "base/paths.h"
#include "base/result.h"

namespace hako::appliance {

// The libraries in what ldd prints, with the loader.
Result<std::vector<std::filesystem::path>> parse_ldd(std::string_view text);

// QEMU with what it loads, the viewer, busybox and our own first process.
Result<void> add_programs(ImageTree& tree, const Installation& installation);

}  // namespace hako::appliance
