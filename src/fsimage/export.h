// The files of a file system as a tar.
#pragma once

#include "base/result.h"
#include "base/stream.h"
#include "fsimage/filesystem.h"

namespace hako::fsimage {

// All below `folder`, itself first as "./": folders before what they hold, names in the order of
// their bytes, a file's further names as hard links to the first, with all metadata. The same file
// system gives the same bytes. ErrorKind::corrupt for a folder that lies in itself.
Result<void> export_tar(Filesystem& filesystem, FileId folder, Writer& out);

}  // namespace hako::fsimage
