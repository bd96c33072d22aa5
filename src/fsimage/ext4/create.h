// A new ext4, laid out and open.
#pragma once

#include <filesystem>

#include "fsimage/ext4/format.h"
#include "fsimage/ext4/handle.h"

namespace hako::fsimage::ext4 {

constexpr std::uint64_t kBlock = 4096;

// Makes the file - an existing one is ErrorKind::conflict - with the root folder in it. On an
// error nothing is left; later the caller removes what it cannot finish.
Result<Handle> create(const std::filesystem::path& path, const Ext4Options& options);
// Writes what is still in memory.
Result<void> close(Handle fs);

}  // namespace hako::fsimage::ext4
