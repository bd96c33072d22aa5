#include "engine/scratch.h"

#include "fsimage/ext4/format.h"
#include "runtime/guest_mounts.h"

namespace hako::engine {

Result<void> make_scratch(const std::filesystem::path& path, std::uint64_t size) {
    return fsimage::format_ext4(path, {.size = size,
                                       .label = "scratch",
                                       .checksums = false,
                                       .folders = runtime::scratch_folders(),
                                       .files = runtime::scratch_files()});
}

}  // namespace hako::engine
