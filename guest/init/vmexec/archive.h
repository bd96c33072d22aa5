// Tar streams of paths in the container. Runs inside its root (or chroot), so that a symbolic link,
// even one that changes meanwhile, cannot lead out of it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace hako::init {

struct CopyInOptions {
    struct Owner {
        uid_t uid = 0;
        gid_t gid = 0;
    };
    bool keep_kinds = false;     // a directory does not replace something else, and vice versa
    std::optional<Owner> owner;  // of all entries; else each has its own
};

// Reads a tar from fd into the existing directory `folder`; owners, modes, times and extended
// attributes are the archive's. Entries that would lie outside of the folder are refused.
Result<void> extract_tar(int fd, const std::string& folder, const CopyInOptions& options);

// {"name","size","mode","mtime_ns","link_target"} of the path itself (no link is followed last).
Result<Json> stat_path(const std::string& path);

// Writes a pax tar of path to fd. Entries are named from path's last component on; hard links,
// devices, extended attributes and times to the nanosecond are kept; sockets are left out. Of the
// root, only its own file system is written: what is mounted in it (/proc, volumes) is left empty.
Result<void> create_tar(const std::string& path, int fd);

}  // namespace hako::init
