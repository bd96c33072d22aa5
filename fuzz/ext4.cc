// Any bytes as an ext4 that is listed and read. An input is a list of blocks: two bytes of number,
// 4096 of contents; the rest of the disk is a hole.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/units.h"
#include "fsimage/ext4/writer.h"
#include "fsimage/output_file.h"
#include "fuzz/folder.h"
#include "fuzz/small_tar.h"
#include "fuzz/target.h"

namespace hako::fuzz {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::uint64_t kSize = 8 * kMiB;

// Without checksums of metadata: else hardly a change would get past them.
void drop_checksums(std::string& disk) {
    constexpr std::size_t kFeatureByte = 1024 + 0x64 + 1;
    disk[kFeatureByte] = static_cast<char>(disk[kFeatureByte] & ~0x04);
}

std::string pack(const std::string& disk) {
    const std::string zeros(kBlock, '\0');
    std::string packed;
    for (std::size_t at = 0; at < disk.size(); at += kBlock) {
        const std::string block = disk.substr(at, kBlock);
        if (block == zeros) continue;
        const std::size_t number = at / kBlock;
        packed += static_cast<char>(number);
        packed += static_cast<char>(number >> 8U);
        packed += block;
    }
    return packed;
}

}  // namespace

std::vector<std::string> seeds() {
    const auto path = folder() / "seed";
    TextReader tar(small_tar());
    if (!fsimage::write_ext4(tar, path, {.size = kSize, .journal = 0})) std::abort();
    std::string disk = read_file(path).value();
    std::filesystem::remove(path);
    const std::string sound = pack(disk);
    drop_checksums(disk);
    return {sound, pack(disk)};
}

void run(std::string_view input) {
    const auto path = folder() / "disk";
    {
        const Fd file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC).value();
        if (::ftruncate(file.get(), kSize) != 0) std::abort();
        for (; input.size() > 2; input.remove_prefix(std::min(input.size(), kBlock + 2))) {
            const std::uint64_t number =
                static_cast<unsigned char>(input[0]) | static_cast<unsigned char>(input[1]) << 8U;
            if (number * kBlock >= kSize) continue;
            if (!fsimage::write_at(file.get(), number * kBlock, as_bytes(input.substr(2, kBlock))))
                std::abort();
        }
    }
    read_all(path);
}

}  // namespace hako::fuzz
