// A disk's files and its block node, as QEMU takes them on its command line and while it runs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "vmm/machine_spec.h"

namespace hako::vmm {

// A file that QEMU gets as descriptor `fd`, in the set of that number: one on the host, or (path
// empty) one with this text.
struct DiskFile {
    int fd;
    std::filesystem::path path;
    bool read_only;
    std::string text = {};
};

struct DiskNode {
    std::vector<DiskFile> files;  // numbered from first_fd
    Json options;                 // QMP's BlockdevOptions
};
// ErrorKind::not_found or invalid: an extent is missing or cannot be joined.
Result<DiskNode> disk_node(const Disk& disk, const std::string& name, int first_fd);

// The options as -blockdev takes them: "discard=unmap,driver=raw,file.driver=file".
std::string as_option(const Json& options);

}  // namespace hako::vmm
