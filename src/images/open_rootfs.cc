#include "images/open_rootfs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/stream.h"
#include "base/units.h"
#include "fsimage/export.h"

namespace hako::images {

Result<OpenRootfs> OpenRootfs::open(const Rootfs& rootfs) {
    OpenRootfs opened;
    for (const auto& extent : rootfs.extents) {
        HAKO_TRY(Fd file, open_file(extent, O_RDONLY));
        struct stat status {};
        if (::fstat(file.get(), &status) != 0)
            return fail_errno(errno, "cannot read {}", extent.string());
        opened.disk_bytes_ += static_cast<std::uint64_t>(status.st_size);
        opened.extents_.push_back(std::move(file));
    }
    HAKO_TRY(opened.filesystem_, fsimage::open_filesystem(rootfs.extents));
    return opened;
}

Result<void> OpenRootfs::write_tar(Writer& out) {
    return fsimage::export_tar(*filesystem_, filesystem_->root(), out);
}

Result<void> OpenRootfs::write_disk(Writer& out) {
    for (const Fd& extent : extents_) {
        FdReader reader(extent.get());
        HAKO_CHECK(copy_all(reader, out));
    }
    return {};
}

}  // namespace hako::images
