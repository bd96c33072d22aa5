#include "fsimage/ext4/format.h"

#include <unistd.h>

#include "fsimage/ext4/create.h"

namespace hako::fsimage {

Result<void> format_ext4(const std::filesystem::path& path, const Ext4Options& options) {
    HAKO_TRY(ext4::Handle fs, ext4::create(path, options));
    auto closed = ext4::close(std::move(fs));
    if (!closed) ::unlink(path.c_str());
    return with_context(std::move(closed), fmt::format("cannot format {}", path.string()));
}

}  // namespace hako::fsimage
