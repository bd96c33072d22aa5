// Any bytes as an EROFS that is listed and read.
#include <isa-l/crc.h>

#include <cstdlib>
#include <cstring>

#include "fsimage/erofs/format.h"
#include "fsimage/layer.h"
#include "fsimage/view.h"
#include "fuzz/folder.h"
#include "fuzz/small_tar.h"
#include "fuzz/target.h"

namespace hako::fuzz {
namespace {

namespace erofs = fsimage::erofs;

// Makes the superblock's checksum right: else nothing would get past it.
void sign(std::string& disk) {
    constexpr std::size_t kEnd = 4096;
    if (disk.size() < kEnd) return;
    erofs::SuperBlock super{};
    std::memcpy(&super, disk.data() + erofs::kSuperOffset, sizeof super);
    super.checksum = 0;
    std::memcpy(disk.data() + erofs::kSuperOffset, &super, sizeof super);
    super.checksum =
        crc32_iscsi(reinterpret_cast<unsigned char*>(disk.data()) + erofs::kSuperOffset,
                    static_cast<int>(kEnd - erofs::kSuperOffset), ~0U);
    std::memcpy(disk.data() + erofs::kSuperOffset, &super, sizeof super);
}

}  // namespace

std::vector<std::string> seeds() {
    const fsimage::LayerFiles files{folder() / "data", folder() / "index"};
    TextReader tar(small_tar());
    if (!fsimage::unpack_layer(tar, files.data, files.index)) std::abort();
    if (!write_view(std::span(&files, 1), folder() / "view")) std::abort();
    return {read_file(folder() / "view").value() + read_file(files.data).value()};
}

void run(std::string_view input) {
    std::string disk(input);
    sign(disk);
    if (write_file(folder() / "disk", disk)) read_all(folder() / "disk");
}

}  // namespace hako::fuzz
