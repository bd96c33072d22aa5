// Programs for other processors than the host's: qemu-user, run inside the VM by the guest kernel's
// binfmt_misc (docs/vm.md).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hako::vmm {

// How the kernel tells a program of a processor: the first bytes of its file, where the mask has
// ones (Linux's Documentation/admin-guide/binfmt-misc.rst). Both have the same length.
struct BinaryFormat {
    std::string magic;
    std::string mask;
};

// Architectures are named as Go names them (arm64, s390x). ErrorKind::unimplemented for one that no
// emulator is known for, or that the host has none for: then it names the package to install.
Result<BinaryFormat> binary_format(std::string_view architecture);
// The host's static emulator, from PATH.
Result<std::filesystem::path> find_emulator(std::string_view architecture);

}  // namespace hako::vmm
