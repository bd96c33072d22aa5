#include "fsimage/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace hako::fsimage {

Result<Disk> Disk::open(std::span<const std::filesystem::path> parts) {
    Disk disk;
    for (const auto& path : parts) {
        HAKO_TRY(Fd file, open_file(path, O_RDONLY));
        struct stat status {};
        if (::fstat(file.get(), &status) != 0)
            return fail_errno(errno, "cannot read {}", path.string());
        if (!S_ISREG(status.st_mode))
            return fail(ErrorKind::invalid, "{} is no file: name a disk image", path.string());
        disk.parts_.push_back({std::move(file), disk.size_});
        disk.size_ += static_cast<std::uint64_t>(status.st_size);
    }
    return disk;
}

Result<void> Disk::read_at(std::uint64_t offset, std::span<std::byte> buffer) const {
    if (offset > size_ || buffer.size() > size_ - offset)
        return fail(ErrorKind::corrupt, "the file system points past the end of its disk");
    auto part = std::ranges::upper_bound(parts_, offset, {}, &Part::start);
    if (part != parts_.begin()) --part;
    while (!buffer.empty()) {
        const auto next = std::next(part);
        const std::uint64_t end = next == parts_.end() ? size_ : next->start;
        const auto want =
            static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - offset));
        std::size_t done = 0;
        while (done < want) {
            const ssize_t count = ::pread(part->file.get(), buffer.data() + done, want - done,
                                          static_cast<off_t>(offset - part->start + done));
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return fail_errno(errno, "cannot read the disk");
            if (count == 0) return fail(ErrorKind::corrupt, "the disk was cut short meanwhile");
            done += static_cast<std::size_t>(count);
        }
        buffer = buffer.subspan(want);
        offset += want;
        part = next;
    }
    return {};
}

}  // namespace hako::fsimage
