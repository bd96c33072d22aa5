// A QEMU process in a file, and back (docs/formats/checkpoint.md, docs/decisions/0036).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace hako::vmm {

// The program that becomes the kept QEMU, in Installation::bin.
constexpr char kRestorer[] = "hako-qemu-restore";

struct CheckpointJob {
    pid_t qemu = 0;
    std::string key;      // of the template that it was loaded from
    std::set<int> given;  // descriptors that whoever restores it brings along
    std::filesystem::path template_file;
    std::filesystem::path path;  // is there whole or not at all
};

// The process stands still for ever afterwards, also where this fails: end it. Its virtual CPUs are
// to stand still before. ErrorKind::unimplemented: it has something that cannot be kept.
Result<void> write_checkpoint(const CheckpointJob& job);

// For reading. ErrorKind::corrupt, or not_found: it is no checkpoint, or of another template, or of
// the time before the host was started. The digest takes a while, and is for verify_checkpoint().
Result<Fd> open_checkpoint(const std::filesystem::path& path, std::string_view key);
Result<void> verify_checkpoint(const std::filesystem::path& path, std::string_view key);

}  // namespace hako::vmm
