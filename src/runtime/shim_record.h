// Who runs a sandbox: the file shim.json in its folder, for whoever must clean up after a crash.
#pragma once

#include <filesystem>
#include <optional>

#include "base/process.h"
#include "base/result.h"

namespace hako::runtime {

struct ShimRecord {
    ProcessIdentity shim;
    std::optional<ProcessIdentity> qemu;
};

Result<void> write_shim_record(const std::filesystem::path& path, const ShimRecord& record);
// ErrorKind::not_found when there is none.
Result<ShimRecord> read_shim_record(const std::filesystem::path& path);

}  // namespace hako::runtime
