// Which QEMU runs VMs.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace hako::vmm {

// HAKO_QEMU, else qemu-system-x86_64 from PATH; an absolute path. ErrorKind::not_found names the
// package to install.
Result<std::filesystem::path> find_qemu();

}  // namespace hako::vmm
