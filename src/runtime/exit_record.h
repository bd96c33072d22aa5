// How a process ended. The shim writes the container's to a file before it tells anybody, so that
// whoever comes later (a restarted hakod) knows it as well.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/units.h"

namespace hako::runtime {

struct ExitRecord {
    int code = 0;  // 128 + signal when killed
    bool oom_killed = false;
    WallTime exited_at{};
    std::string reason;  // why the VM, not the process, ended; else empty
};

// {"exit_code":0,"oom_killed":false,"exited_at":"<RFC 3339>","reason":""}; readers see all or
// nothing.
Result<void> write_exit_record(const std::filesystem::path& path, const ExitRecord& record);
// Nullopt when there is no such file.
Result<std::optional<ExitRecord>> read_exit_record(const std::filesystem::path& path);

}  // namespace hako::runtime
