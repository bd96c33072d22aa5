// Files of a fuzz target's run: in memory where the machine has such a folder.
#pragma once

#include <array>
#include <filesystem>
#include <string>

#include "base/fd.h"
#include "fsimage/export.h"
#include "fsimage/filesystem.h"

namespace hako::fuzz {

inline const std::filesystem::path& folder() {
    static const TempDir folder =
        TempDir::create(std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "").value();
    return folder.path();
}

// Takes all that is exported and keeps nothing; stops where a small disk becomes large.
class Nowhere : public Writer {
public:
    Result<void> write(std::span<const std::byte> data) override {
        total_ += data.size();
        if (total_ > 64U << 20U) return fail(ErrorKind::too_large, "enough");
        return {};
    }

private:
    std::size_t total_ = 0;
};

// Reads all that lies on a disk.
inline void read_all(const std::filesystem::path& disk) {
    const auto filesystem = fsimage::open_filesystem(std::span(&disk, 1));
    if (!filesystem) return;
    Nowhere out;
    (void)fsimage::export_tar(**filesystem, (*filesystem)->root(), out);
    for (const char* path : {"/d/f", "s/f", "loop", "../d/none"})
        (void)fsimage::find_file(**filesystem, path);
}

}  // namespace hako::fuzz
