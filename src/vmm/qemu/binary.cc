#include "vmm/qemu/binary.h"

#include <unistd.h>

#include <cstdlib>
#include <sstream>

namespace hako::vmm {

Result<std::filesystem::path> find_qemu() {
    const auto absolute = [](const std::filesystem::path& path) {
        std::error_code error;
        auto result = std::filesystem::absolute(path, error);
        return error ? path : result;
    };
    if (const char* named = std::getenv("HAKO_QEMU"); named != nullptr && *named != '\0') {
        if (::access(named, X_OK) == 0) return absolute(named);
        return fail(ErrorKind::not_found, "HAKO_QEMU names {}, which cannot be executed", named);
    }
    const char* path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        const auto candidate = std::filesystem::path(folder) / "qemu-system-x86_64";
        if (::access(candidate.c_str(), X_OK) == 0) return absolute(candidate);
    }
    return fail(ErrorKind::not_found,
                "QEMU is not installed: install the package qemu-system-x86 "
                "(apt-get install qemu-system-x86)");
}

}  // namespace hako::vmm
