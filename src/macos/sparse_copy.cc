#include "macos/sparse_copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/fd.h"
#include "base/units.h"

namespace hako::macos {
namespace {

constexpr std::size_t kPiece = kMiB;

Result<void> copy_range(const Fd& from, const Fd& to, off_t begin, off_t end) {
    std::vector<std::byte> buffer(kPiece);
    if (::lseek(from.get(), begin, SEEK_SET) < 0 || ::lseek(to.get(), begin, SEEK_SET) < 0)
        return fail_errno(errno, "cannot seek");
    for (off_t at = begin; at < end;) {
        const auto wanted =
            std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(end - at));
        HAKO_TRY(const auto count, read_some(from.get(), std::span(buffer).first(wanted)));
        if (count == 0) return {};
        HAKO_CHECK(write_all(to.get(), std::span(buffer).first(count)));
        at += static_cast<off_t>(count);
    }
    return {};
}

Result<void> copy_data(const Fd& from, const Fd& to, off_t size) {
    for (off_t at = 0; at < size;) {
        const off_t begin = ::lseek(from.get(), at, SEEK_DATA);
        if (begin < 0 && errno == ENXIO) return {};  // holes up to the end
        if (begin < 0) return fail_errno(errno, "cannot find the data");
        const off_t end = ::lseek(from.get(), begin, SEEK_HOLE);
        if (end < 0) return fail_errno(errno, "cannot find the data's end");
        HAKO_CHECK(copy_range(from, to, begin, end));
        at = end;
    }
    return {};
}

Result<void> copy_disk(const std::filesystem::path& from, const std::filesystem::path& to) {
    HAKO_TRY(const Fd source, open_file(from, O_RDONLY));
    struct stat status {};
    if (::fstat(source.get(), &status) != 0) return fail_errno(errno, "cannot read it");
    HAKO_TRY(const Fd target, open_file(to, O_WRONLY | O_CREAT | O_TRUNC, status.st_mode & 0777));
    if (::ioctl(target.get(), FICLONE, source.get()) != 0) {
        if (::ftruncate(target.get(), status.st_size) != 0)
            return fail_errno(errno, "cannot make room");
        HAKO_CHECK(copy_data(source, target, status.st_size));
    }
    if (::fsync(target.get()) != 0) return fail_errno(errno, "cannot save it");
    return {};
}

}  // namespace

Result<void> copy_sparse(const std::filesystem::path& from, const std::filesystem::path& to) {
    auto copied = with_context(copy_disk(from, to),
                               fmt::format("cannot copy {} to {}", from.native(), to.native()));
    std::error_code ignored;
    if (!copied) std::filesystem::remove(to, ignored);
    return copied;
}

}  // namespace hako::macos
