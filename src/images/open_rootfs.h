// An image's root filesystem, opened to be read: it stays readable while the image is removed.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/stream.h"
#include "fsimage/filesystem.h"
#include "images/image.h"

namespace hako::images {

// One thread reads it, once.
class OpenRootfs {
public:
    static Result<OpenRootfs> open(const Rootfs& rootfs);

    std::uint64_t inodes() const { return filesystem_->inodes(); }
    // Of the disk: metadata and data of all layers, what upper ones replaced included.
    std::uint64_t disk_bytes() const { return disk_bytes_; }

    // All files as one tar (fsimage/export.h).
    Result<void> write_tar(Writer& out);
    // The disk itself: one EROFS (docs/formats/erofs.md).
    Result<void> write_disk(Writer& out);

private:
    OpenRootfs() = default;

    std::unique_ptr<fsimage::Filesystem> filesystem_;
    std::vector<Fd> extents_;
    std::uint64_t disk_bytes_ = 0;
};

}  // namespace hako::images
