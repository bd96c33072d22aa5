// Paths below a root that somebody else filled: symbolic links are followed, but never out of it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/fd.h"

namespace hako::init {

// openat2 with RESOLVE_IN_ROOT: "/" and ".." end at root. flags as for open(2).
Result<Fd> open_in_root(int root, std::string_view path, int flags, mode_t mode = 0);

// mkdir -p below root, then the directory as an O_PATH descriptor.
Result<Fd> make_folder_in_root(int root, std::string_view path, mode_t mode = 0755);
// The same with an empty regular file as the last component, when nothing is there yet.
Result<Fd> make_file_in_root(int root, std::string_view path);

// A name for mount(2) and others that take no descriptors: "/proc/self/fd/N".
std::string path_of(const Fd& fd);

}  // namespace hako::init
