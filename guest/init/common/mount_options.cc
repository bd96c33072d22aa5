#include "init/common/mount_options.h"

#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <cerrno>

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

namespace hako::init {
namespace {

struct FlagRow {
    std::string_view name;
    unsigned long set;
    unsigned long clear;
};

constexpr std::array kFlags{
    FlagRow{"defaults", 0, 0},
    FlagRow{"ro", MS_RDONLY, 0},
    FlagRow{"rw", 0, MS_RDONLY},
    FlagRow{"nosuid", MS_NOSUID, 0},
    FlagRow{"suid", 0, MS_NOSUID},
    FlagRow{"nodev", MS_NODEV, 0},
    FlagRow{"dev", 0, MS_NODEV},
    FlagRow{"noexec", MS_NOEXEC, 0},
    FlagRow{"exec", 0, MS_NOEXEC},
    FlagRow{"sync", MS_SYNCHRONOUS, 0},
    FlagRow{"async", 0, MS_SYNCHRONOUS},
    FlagRow{"dirsync", MS_DIRSYNC, 0},
    FlagRow{"remount", MS_REMOUNT, 0},
    FlagRow{"mand", MS_MANDLOCK, 0},
    FlagRow{"nomand", 0, MS_MANDLOCK},
    FlagRow{"noatime", MS_NOATIME, 0},
    FlagRow{"atime", 0, MS_NOATIME},
    FlagRow{"nodiratime", MS_NODIRATIME, 0},
    FlagRow{"diratime", 0, MS_NODIRATIME},
    FlagRow{"relatime", MS_RELATIME, 0},
    FlagRow{"norelatime", 0, MS_RELATIME},
    FlagRow{"strictatime", MS_STRICTATIME, 0},
    FlagRow{"nostrictatime", 0, MS_STRICTATIME},
    FlagRow{"lazytime", MS_LAZYTIME, 0},
    FlagRow{"nosymfollow", MS_NOSYMFOLLOW, 0},
    FlagRow{"silent", MS_SILENT, 0},
    FlagRow{"bind", MS_BIND, 0},
    FlagRow{"rbind", MS_BIND | MS_REC, 0},
};

struct PropagationRow {
    std::string_view name;
    unsigned long flags;
};

constexpr std::array kPropagations{
    PropagationRow{"private", MS_PRIVATE},
    PropagationRow{"rprivate", MS_PRIVATE | MS_REC},
    PropagationRow{"shared", MS_SHARED},
    PropagationRow{"rshared", MS_SHARED | MS_REC},
    PropagationRow{"slave", MS_SLAVE},
    PropagationRow{"rslave", MS_SLAVE | MS_REC},
    PropagationRow{"unbindable", MS_UNBINDABLE},
    PropagationRow{"runbindable", MS_UNBINDABLE | MS_REC},
};

}  // namespace

bool MountOptions::bind() const { return (flags & MS_BIND) != 0; }

MountOptions parse_mount_options(const std::vector<std::string>& options) {
    MountOptions parsed;
    for (const auto& option : options) {
        const auto flag = std::ranges::find(kFlags, option, &FlagRow::name);
        if (flag != kFlags.end()) {
            parsed.flags = (parsed.flags & ~flag->clear) | flag->set;
            continue;
        }
        const auto propagation = std::ranges::find(kPropagations, option, &PropagationRow::name);
        if (propagation != kPropagations.end()) {
            parsed.propagation = propagation->flags;
            continue;
        }
        if (!parsed.data.empty()) parsed.data += ',';
        parsed.data += option;
    }
    return parsed;
}

Result<void> mount_at(const std::string& source, const std::string& target, const std::string& type,
                      const MountOptions& options, std::string_view shown) {
    // A bind mount takes no flags of its own, a second call sets them.
    const auto first = options.bind() ? options.flags & (MS_BIND | MS_REC) : options.flags;
    const char* data = options.bind() || options.data.empty() ? nullptr : options.data.c_str();
    if (::mount(source.c_str(), target.c_str(), type.c_str(), first, data) != 0)
        return fail_errno(errno, "cannot mount {} ({}) at {} with options \"{}\"", source, type,
                          shown.empty() ? target : shown, options.data);
    return {};
}

Result<void> finish_mount(const std::string& target, const MountOptions& options,
                          std::string_view shown) {
    if (shown.empty()) shown = target;
    const auto flags = options.flags & ~static_cast<unsigned long>(MS_BIND | MS_REC);
    if (options.bind() && flags != 0 &&
        ::mount(nullptr, target.c_str(), nullptr, flags | MS_BIND | MS_REMOUNT, nullptr) != 0)
        return fail_errno(errno, "cannot set the flags of the bind mount at {}", shown);
    if (options.propagation != 0 &&
        ::mount(nullptr, target.c_str(), nullptr, options.propagation, nullptr) != 0)
        return fail_errno(errno, "cannot set the propagation of the mount at {}", shown);
    return {};
}

}  // namespace hako::init
