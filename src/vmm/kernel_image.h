// Looks into a guest kernel: an uncompressed x86-64 vmlinux (ELF) with a PVH entry, whose
// configuration is embedded (CONFIG_IKCONFIG), so that what it lacks can be named.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::vmm {

struct KernelImage {
    std::string version;  // "6.1.170-hako"
    std::string config;   // .config's text
};

// ErrorKind::invalid says what the file is not.
Result<KernelImage> read_kernel_image(const std::filesystem::path& vmlinux);

// kernel/required.txt's options that are not built in (=y): "CONFIG_A (reason)"; of alternatives
// one is enough.
std::vector<std::string> missing_options(std::string_view config);

}  // namespace hako::vmm
