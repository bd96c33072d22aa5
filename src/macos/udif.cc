#include "macos/udif.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "base/base64.h"
#include "base/fd.h"
#include "base/units.h"

namespace hako::macos {
namespace {

constexpr std::size_t kTrailerBytes = 512;
constexpr std::size_t kSectorCount = 0x1ec;  // in the trailer; QEMU goes by it
constexpr std::uint64_t kMaxPlistBytes = 64 * kMiB;
constexpr std::uint64_t kUdifSector = 512;
constexpr std::size_t kMishHeader = 204;
constexpr std::size_t kMishChunk = 40;

std::uint64_t number(std::string_view data, std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
        value = value << 8U | static_cast<unsigned char>(data[at + i]);
    return value;
}

Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t bytes) {
    std::string data(bytes, '\0');
    std::size_t done = 0;
    while (done < bytes) {
        const auto count =
            ::pread(fd, data.data() + done, bytes - done, static_cast<off_t>(offset + done));
        if (count < 0) return fail_errno(errno, "cannot read it");
        if (count == 0) return fail(ErrorKind::corrupt, "it is cut short");
        done += static_cast<std::size_t>(count);
    }
    return data;
}

// How a piece of the disk is kept.
enum ChunkKind : std::uint32_t {
    zeros = 0,
    raw = 1,
    unused = 2,
    zlib = 0x80000005,
    comment = 0x7ffffffe,
    last = 0xffffffff,
};

// Of one partition's table ("mish"): how many sectors it has.
Result<std::uint64_t> check_mish(std::string_view table) {
    if (table.size() < kMishHeader || !table.starts_with("mish"))
        return fail(ErrorKind::corrupt, "a table of its pieces is broken");
    const auto count = number(table, 200, 4);
    if (count > (table.size() - kMishHeader) / kMishChunk)
        return fail(ErrorKind::corrupt, "a table of its pieces is cut short");
    for (std::size_t i = 0; i < count; ++i) {
        const auto kind = number(table, kMishHeader + i * kMishChunk, 4);
        if (kind == zeros || kind == raw || kind == unused || kind == zlib || kind == comment ||
            kind == last)
            continue;
        return fail(ErrorKind::invalid,
                    "it is compressed in a way (0x{:08x}) that QEMU does not read: convert it with "
                    "`hdiutil convert IN.dmg -format UDZO -o OUT.dmg`",
                    kind);
    }
    return number(table, 8, 8) + number(table, 16, 8);  // its first sector, how many
}

Result<std::uint64_t> check_plist(std::string_view plist) {
    const auto blkx = plist.find("<key>blkx</key>");
    if (blkx == std::string_view::npos)
        return fail(ErrorKind::corrupt, "it has no list of partitions (blkx)");
    const auto list = plist.substr(blkx, plist.find("</array>", blkx) - blkx);
    std::uint64_t sectors = 0;
    for (auto at = list.find("<data>"); at != std::string_view::npos;
         at = list.find("<data>", at)) {
        at += 6;
        std::string text(list.substr(at, list.find("</data>", at) - at));
        std::erase_if(text, [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; });
        HAKO_TRY(const auto table, decode_base64(text));
        HAKO_TRY(const auto end, check_mish(table));
        sectors = std::max(sectors, end);
    }
    if (sectors == 0) return fail(ErrorKind::corrupt, "it holds no disk");
    return sectors;
}

Result<UdifInfo> check(const std::filesystem::path& file) {
    HAKO_TRY(const Fd fd, open_file(file, O_RDONLY));
    const auto size = ::lseek(fd.get(), 0, SEEK_END);
    if (size < static_cast<off_t>(kTrailerBytes))
        return fail(ErrorKind::corrupt, "it is too short for a disk image of Apple's (.dmg)");
    const auto end = static_cast<std::uint64_t>(size) - kTrailerBytes;
    HAKO_TRY(const auto trailer, read_at(fd.get(), end, kTrailerBytes));
    if (!trailer.starts_with("koly") || number(trailer, 8, 4) != kTrailerBytes)
        return fail(ErrorKind::corrupt,
                    "it does not end as a disk image of Apple's (.dmg) does: is it whole?");
    const auto inside = [&](std::uint64_t offset, std::uint64_t length) {
        return offset <= end && length <= end - offset;
    };
    const auto plist_at = number(trailer, 0xd8, 8);
    const auto plist_bytes = number(trailer, 0xe0, 8);
    if (!inside(number(trailer, 0x18, 8), number(trailer, 0x20, 8)) ||
        !inside(plist_at, plist_bytes) || plist_bytes == 0 || plist_bytes > kMaxPlistBytes)
        return fail(ErrorKind::corrupt, "its parts lie outside of it: is it whole?");
    HAKO_TRY(const auto plist, read_at(fd.get(), plist_at, plist_bytes));
    HAKO_TRY(const auto sectors, check_plist(plist));
    if (number(trailer, kSectorCount, 8) < sectors)
        return fail(ErrorKind::corrupt, "its pieces make a larger disk than it says");
    return UdifInfo{.disk_bytes = number(trailer, kSectorCount, 8) * kUdifSector};
}

}  // namespace

Result<UdifInfo> check_udif(const std::filesystem::path& file) {
    return with_context(check(file), fmt::format("the recovery image {}", file.native()));
}

}  // namespace hako::macos
