#include "vmm/qemu/binary.h"

#include <unistd.h>

#include <cstdlib>

#include "base/program.h"

namespace hako::vmm {

Result<std::filesystem::path> find_qemu() {
    if (const char* named = std::getenv("HAKO_QEMU"); named != nullptr && *named != '\0') {
        std::error_code error;
        auto path = std::filesystem::absolute(named, error);
        if (!error && ::access(named, X_OK) == 0) return path;
        return fail(ErrorKind::not_found, "HAKO_QEMU names {}, which cannot be executed", named);
    }
    if (auto found = find_program("qemu-system-x86_64")) return *std::move(found);
    return fail(ErrorKind::not_found,
                "QEMU is not installed: install the package qemu-system-x86 "
                "(apt-get install qemu-system-x86)");
}

}  // namespace hako::vmm
