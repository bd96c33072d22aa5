// Reads an EROFS that hako wrote (docs/formats/erofs.md).
#pragma once

#include <memory>

#include "fsimage/disk.h"
#include "fsimage/filesystem.h"

namespace hako::fsimage::erofs {

// ErrorKind::unimplemented for what hako does not write: compressed files, compact inodes,
// attributes that are shared, blocks of another size.
Result<std::unique_ptr<Filesystem>> open_filesystem(Disk disk);

}  // namespace hako::fsimage::erofs
