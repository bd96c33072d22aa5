// A file that appears complete or not at all.
#pragma once

#include <filesystem>

#include "base/fd.h"
#include "base/result.h"

namespace hako::fsimage {

// Written beside its place under a name of its own ("<name>.<random>.partial"); without a commit it
// is removed at the end.
class OutputFile {
public:
    static Result<OutputFile> create(const std::filesystem::path& path);
    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&&) = delete;
    OutputFile(const OutputFile&) = delete;
    ~OutputFile();

    int fd() const { return fd_.get(); }
    // Gives the contents their name (over what had it before). Not synced to the disk.
    Result<void> commit();

private:
    OutputFile(std::filesystem::path path, std::filesystem::path partial, Fd fd);

    std::filesystem::path path_;
    std::filesystem::path partial_;  // empty once it has been renamed or moved from
    Fd fd_;
};

// All of it at that place of the file. A full disk is ErrorKind::exhausted.
Result<void> write_at(int fd, std::uint64_t offset, std::span<const std::byte> data);

}  // namespace hako::fsimage
