// The archive that the kernel unpacks as its first root: cpio "newc" (070701), as described in the
// kernel's Documentation/driver-api/early-userspace/buffer-format.rst. The same input gives the
// same bytes: owners are root, times are 0, inode numbers count up.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::init {

struct CpioEntry {
    std::string name;     // "sbin/vmexec", without a leading slash; parents come first
    unsigned mode = 0;    // st_mode
    std::string content;  // of a file, or a symbolic link's target
};

// Names must be relative, unique and without "..": ErrorKind::invalid.
Result<std::string> make_cpio(const std::vector<CpioEntry>& entries);

}  // namespace hako::init
