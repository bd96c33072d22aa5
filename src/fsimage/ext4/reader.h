// Reads an ext4, whoever wrote it, by libext2fs.
#pragma once

#include <filesystem>
#include <memory>

#include "fsimage/filesystem.h"

namespace hako::fsimage::ext4 {

// A journal that was not replayed is ErrorKind::conflict: what lies in it would be missed.
Result<std::unique_ptr<Filesystem>> open_filesystem(const std::filesystem::path& path);

}  // namespace hako::fsimage::ext4
