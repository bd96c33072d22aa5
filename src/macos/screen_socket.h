// The unix socket of a screen whose QEMU is jailed: each connection is handed to QEMU.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <thread>

#include "base/fd.h"
#include "base/result.h"
#include "vmm/qemu/qmp.h"

namespace hako::macos {

// Listens as long as it lives; connections go on with QEMU.
class ScreenSocket {
public:
    // owner: whose it is to be, beside root.
    static Result<ScreenSocket> open(const std::filesystem::path& path, uid_t owner,
                                     std::shared_ptr<vmm::QmpClient> qmp);

private:
    explicit ScreenSocket(std::jthread thread) : thread_(std::move(thread)) {}
    std::jthread thread_;
};

}  // namespace hako::macos
