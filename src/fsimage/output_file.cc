#include "fsimage/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/units.h"

namespace hako::fsimage {

Result<OutputFile> OutputFile::create(const std::filesystem::path& path) {
    std::filesystem::path partial = path;
    partial += fmt::format(".{}.partial", random_id().substr(0, 12));
    HAKO_TRY(Fd fd, open_file(partial, O_RDWR | O_CREAT | O_EXCL, 0644));
    return OutputFile(path, std::move(partial), std::move(fd));
}

OutputFile::OutputFile(std::filesystem::path path, std::filesystem::path partial, Fd fd)
    : path_(std::move(path)), partial_(std::move(partial)), fd_(std::move(fd)) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_(std::exchange(other.partial_, {})),
      fd_(std::move(other.fd_)) {}

OutputFile::~OutputFile() {
    if (!partial_.empty()) ::unlink(partial_.c_str());
}

Result<void> OutputFile::commit() {
    if (::rename(partial_.c_str(), path_.c_str()) != 0)
        return fail_errno(errno, "cannot put {} in its place", path_.string());
    partial_.clear();
    return {};
}

Result<void> write_at(int fd, std::uint64_t offset, std::span<const std::byte> data) {
    while (!data.empty()) {
        const ssize_t count = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
        if (count < 0) {
            if (errno == EINTR) continue;
            if (errno == ENOSPC || errno == EDQUOT)
                return fail(
                    ErrorKind::exhausted,
                    "no space left on the disk: free some space (hako image prune) and try again");
            return fail_errno(errno, "cannot write image data");
        }
        offset += static_cast<std::uint64_t>(count);
        data = data.subspan(static_cast<std::size_t>(count));
    }
    return {};
}

}  // namespace hako::fsimage
