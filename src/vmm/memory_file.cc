#include "vmm/memory_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/units.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kBuffer = kMiB;

// Less only at the file's end.
Result<std::size_t> read_at(int file, std::span<std::byte> buffer, std::uint64_t offset) {
    std::size_t have = 0;
    while (have < buffer.size()) {
        const ssize_t count = ::pread(file, buffer.data() + have, buffer.size() - have,
                                      static_cast<off_t>(offset + have));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno(errno, "cannot read a guest's memory");
        if (count == 0) break;
        have += static_cast<std::size_t>(count);
    }
    return have;
}

Result<void> write_at(int file, std::span<const std::byte> data, std::uint64_t offset) {
    while (!data.empty()) {
        const ssize_t count = ::pwrite(file, data.data(), data.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno(errno, "cannot write a guest's memory");
        data = data.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return {};
}

}  // namespace

bool is_zero(std::span<const std::byte> page) {
    return page.front() == std::byte{} &&
           std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

Result<void> for_each_page(
    int file, std::uint64_t begin, std::uint64_t bytes,
    const std::function<Result<void>(std::uint64_t, std::span<const std::byte>)>& use) {
    std::vector<std::byte> buffer(kBuffer);
    const std::uint64_t end = begin + bytes;
    for (std::uint64_t at = begin; at < end;) {
        // File systems without holes say that all is data.
        const off_t data = ::lseek(file, static_cast<off_t>(at), SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;
        if (data > 0) at = begin + (static_cast<std::uint64_t>(data) - begin) / kPage * kPage;
        if (at >= end) break;
        const auto part = std::span(buffer).first(std::min<std::uint64_t>(kBuffer, end - at));
        HAKO_TRY(const std::size_t count, read_at(file, part, at));
        if (count < part.size())
            return fail(ErrorKind::corrupt, "a guest's memory is cut off after {} bytes",
                        at + count - begin);
        for (std::size_t done = 0; done < count; done += kPage) {
            const auto page = part.subspan(done, std::min(kPage, count - done));
            if (!is_zero(page)) HAKO_CHECK(use((at + done - begin) / kPage, page));
        }
        at += count;
    }
    return {};
}

Result<void> copy_memory(int from, std::uint64_t from_begin, int to, std::uint64_t to_begin,
                         std::uint64_t bytes) {
    return for_each_page(from, from_begin, bytes, [&](std::uint64_t number, auto page) {
        return write_at(to, page, to_begin + number * kPage);
    });
}

Result<Fd> open_memory_of(pid_t qemu) {
    const fs::path folder = fmt::format("/proc/{}/fd", qemu);
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        std::error_code ignored;
        const auto target = fs::read_symlink(entry.path(), ignored);
        if (target.native().starts_with("/memfd:memory-backend-memfd"))
            return open_file(entry.path(), O_RDONLY);
    }
    return fail(ErrorKind::internal, "QEMU has no memory that can be saved");
}

}  // namespace hako::vmm
