// A disk to read: files joined end to end, as QEMU shows them to a guest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace hako::fsimage {

// Immutable; may be read by several threads.
class Disk {
public:
    static Result<Disk> open(std::span<const std::filesystem::path> parts);

    std::uint64_t size() const { return size_; }  // bytes
    // All of the buffer; ErrorKind::corrupt where the disk ends before.
    Result<void> read_at(std::uint64_t offset, std::span<std::byte> buffer) const;

private:
    struct Part {
        Fd file;
        std::uint64_t start;
    };
    std::vector<Part> parts_;
    std::uint64_t size_ = 0;
};

}  // namespace hako::fsimage
