#include "init/vmexec/rootfs.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "init/common/mount_options.h"
#include "init/common/path_in_root.h"
#include "init/common/sysctl.h"
#include "init/vmexec/copy_up.h"
#include "init/vmexec/devices.h"

namespace hako::init {
namespace {

// The mount option that asks for a part of the source (src/runtime/sandbox_spec.h).
constexpr std::string_view kSubpath = "hako-subpath=";

struct MountEntry {
    std::string destination, type, source;
    std::vector<std::string> options;
    bool copy_up = false;
    std::string subpath = {};  // of the source
};

// Takes it out of the options.
std::string take_subpath(std::vector<std::string>& options) {
    const auto found = std::ranges::find_if(
        options, [](const std::string& option) { return option.starts_with(kSubpath); });
    if (found == options.end()) return {};
    auto subpath = found->substr(kSubpath.size());
    options.erase(found);
    return subpath;
}

Result<MountEntry> read_mount(const Json& json) {
    MountEntry entry;
    HAKO_TRY(entry.destination, json_field_or<std::string>(json, "destination", ""));
    HAKO_TRY(entry.type, json_field_or<std::string>(json, "type", ""));
    HAKO_TRY(entry.source, json_field_or<std::string>(json, "source", ""));
    HAKO_TRY(entry.options, json_field_or<std::vector<std::string>>(json, "options", {}));
    if (!entry.destination.starts_with('/'))
        return fail(ErrorKind::invalid, "mount destination \"{}\" is not absolute",
                    entry.destination);
    entry.copy_up = std::erase(entry.options, kCopyUp) != 0;
    entry.subpath = take_subpath(entry.options);
    if (entry.type == "cgroup") entry.type = "cgroup2";
    if (entry.type == "bind" && !parse_mount_options(entry.options).bind())
        entry.options.emplace_back("bind");
    if (entry.type.empty()) entry.type = "bind";
    if (entry.source.empty()) entry.source = entry.type;
    return entry;
}

// Sources are shares by numbers here: the user knows the target.
Result<void> check_kinds(const Fd& root, const MountEntry& entry, bool folder) {
    const auto found = open_in_root(root.get(), entry.destination, O_PATH);
    struct stat target {};
    if (!found || ::fstat(found->get(), &target) != 0 || S_ISDIR(target.st_mode) == folder)
        return {};
    if (folder)
        return fail(ErrorKind::invalid,
                    "{} is a file in the container, what is to be mounted there is a folder: give "
                    "a file that is there on the host (-v makes a folder where its source is "
                    "missing), or another target",
                    entry.destination);
    return fail(ErrorKind::invalid,
                "{0} is a folder in the container, what is to be mounted there is a file: give a "
                "folder of the host, or a target below {0}",
                entry.destination);
}

// A file is mounted onto a file, everything else onto a directory.
Result<Fd> mount_target(const Fd& root, const MountEntry& entry, bool bind) {
    struct stat source {};
    if (bind && ::stat(entry.source.c_str(), &source) != 0)
        return fail_errno(errno, "cannot use {} as a mount's source", entry.source);
    const bool folder = !bind || S_ISDIR(source.st_mode);
    HAKO_CHECK(check_kinds(root, entry, folder));
    return folder ? make_folder_in_root(root.get(), entry.destination)
                  : make_file_in_root(root.get(), entry.destination);
}

// An image whose /proc is a link could have the kernel's files where nobody masks them.
Result<void> refuse_link(const Fd& root, const MountEntry& entry) {
    const auto found = open_in_root(root.get(), entry.destination, O_PATH | O_NOFOLLOW);
    struct stat state {};
    if (found && ::fstat(found->get(), &state) == 0 && S_ISLNK(state.st_mode))
        return fail(ErrorKind::invalid, "{} must be mounted on an ordinary directory, {} is a link",
                    entry.type, entry.destination);
    return {};
}

// The entry's source is what the descriptor is of.
Result<Fd> open_subpath(MountEntry& entry) {
    HAKO_TRY(const auto source, open_file(entry.source, O_PATH));
    auto found = open_in_root(source.get(), entry.subpath, O_PATH);
    if (!found)
        return fail(ErrorKind::invalid, "cannot mount the subpath {} at {}: {}", entry.subpath,
                    entry.destination, found.error().message());
    entry.source = path_of(*found);
    return found;
}

Result<void> mount_entry(const Fd& root, MountEntry entry) {
    Fd subpath;
    if (!entry.subpath.empty()) {
        HAKO_TRY(subpath, open_subpath(entry));
    }
    const auto options = parse_mount_options(entry.options);
    if (entry.type == "proc" || entry.type == "sysfs") HAKO_CHECK(refuse_link(root, entry));
    // Of a folder that the image has not, the volume learns neither files nor owner.
    const bool fills = entry.copy_up && open_in_root(root.get(), entry.destination, O_PATH);
    HAKO_TRY(const auto target, mount_target(root, entry, options.bind()));
    if (fills) HAKO_CHECK(with_context(copy_up(path_of(target), entry.source), entry.destination));
    HAKO_CHECK(mount_at(entry.source, path_of(target), entry.type, options, entry.destination));
    HAKO_TRY(const auto mounted, open_in_root(root.get(), entry.destination, O_PATH));
    return finish_mount(path_of(mounted), options, entry.destination);
}

Result<void> bind_file(const Fd& root, const std::string& source, const std::string& target) {
    HAKO_TRY(const auto file, make_file_in_root(root.get(), target));
    MountOptions bind;
    bind.flags = MS_BIND;
    return mount_at(source, path_of(file), "bind", bind);
}

// Flags that the mount at path has and that a remount must name again.
unsigned long current_flags(const std::string& path) {
    struct statvfs state {};
    if (::statvfs(path.c_str(), &state) != 0) return 0;
    unsigned long flags = 0;
    if ((state.f_flag & ST_NOSUID) != 0) flags |= MS_NOSUID;
    if ((state.f_flag & ST_NODEV) != 0) flags |= MS_NODEV;
    if ((state.f_flag & ST_NOEXEC) != 0) flags |= MS_NOEXEC;
    if ((state.f_flag & ST_RDONLY) != 0) flags |= MS_RDONLY;
    return flags;
}

// Absent paths are passed over.
Result<void> make_readonly(const std::string& path) {
    const char* name = path.c_str();
    if (::mount(name, name, nullptr, MS_BIND | MS_REC, nullptr) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return {};
        return fail_errno(errno, "cannot make {} read-only", path);
    }
    const auto flags = current_flags(path) | MS_BIND | MS_REMOUNT | MS_RDONLY;
    if (::mount(nullptr, name, nullptr, flags, nullptr) != 0)
        return fail_errno(errno, "cannot make {} read-only", path);
    return {};
}

Result<void> mask(const std::string& path) {
    struct stat state {};
    if (::lstat(path.c_str(), &state) != 0) return {};
    const int failed =
        S_ISDIR(state.st_mode)
            ? ::mount("tmpfs", path.c_str(), "tmpfs", MS_RDONLY, "size=0,nr_inodes=1")
            : ::mount("/dev/null", path.c_str(), nullptr, MS_BIND, nullptr);
    if (failed != 0 && errno != ENOENT) return fail_errno(errno, "cannot mask {}", path);
    return {};
}

// Programs that know no /proc/mounts read it. As Docker: unless the image has one.
void link_mtab(const Fd& root) {
    const auto etc = open_in_root(root.get(), "/etc", O_PATH | O_DIRECTORY);
    if (etc && ::symlinkat("/proc/mounts", etc->get(), "mtab") != 0) return;
}

Result<void> set_names(const Json& container) {
    HAKO_TRY(const auto host, json_field_or<std::string>(container, "hostname", ""));
    if (!host.empty() && ::sethostname(host.data(), host.size()) != 0)
        return fail_errno(errno, "cannot set the host name \"{}\"", host);
    HAKO_TRY(const auto domain, json_field_or<std::string>(container, "domainname", ""));
    if (!domain.empty() && ::setdomainname(domain.data(), domain.size()) != 0)
        return fail_errno(errno, "cannot set the domain name \"{}\"", domain);
    return {};
}

}  // namespace

Result<Fd> build_root(const Json& container, const std::map<std::string, std::string>& files) {
    HAKO_TRY(const auto root_json, json_field_or<Json>(container, "root", Json::object()));
    HAKO_TRY(const auto path, json_field_or<std::string>(root_json, "path", ""));
    if (!path.starts_with('/'))
        return fail(ErrorKind::invalid, "root.path \"{}\" is not an absolute path", path);

    // Nothing that is mounted here may reach vminitd's namespace.
    if (::mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr) != 0)
        return fail_errno(errno, "cannot separate the container's mounts");
    // pivot_root wants a mount, and below one of our own.
    if (::mount(path.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
        return fail_errno(errno, "cannot use {} as a container's root", path);
    HAKO_TRY(Fd root, open_file(path, O_PATH | O_DIRECTORY));
    link_mtab(root);

    HAKO_TRY(const auto mounts, json_field_or<std::vector<Json>>(container, "mounts", {}));
    for (const auto& json : mounts) {
        HAKO_TRY(const auto entry, read_mount(json));
        HAKO_CHECK(mount_entry(root, entry));
    }
    HAKO_CHECK(make_devices(root, container));
    for (const auto& [target, source] : files) HAKO_CHECK(bind_file(root, source, target));
    return root;
}

Result<void> enter_root(const Fd& root, const Json& container) {
    // The old root goes onto the new one's "." and away at once: no directory for it is needed.
    if (::fchdir(root.get()) != 0) return fail_errno(errno, "cannot enter the container's root");
    if (::syscall(SYS_pivot_root, ".", ".") != 0)
        return fail_errno(errno, "cannot change to the container's root");
    if (::umount2(".", MNT_DETACH) != 0)
        return fail_errno(errno, "cannot leave the guest's own root");
    if (::chdir("/") != 0) return fail_errno(errno, "cannot enter the container's root");

    HAKO_TRY(const auto linux_json, json_field_or<Json>(container, "linux", Json::object()));
    HAKO_TRY(const auto propagation,
             json_field_or<std::string>(linux_json, "rootfsPropagation", ""));
    if (propagation.empty()) return {};
    return finish_mount("/", parse_mount_options({propagation}));
}

Result<void> finish_root(const Json& container) {
    HAKO_CHECK(set_names(container));
    HAKO_TRY(const auto json, json_field_or<Json>(container, "linux", Json::object()));
    using Names = std::vector<std::string>;
    using Sysctls = std::map<std::string, std::string>;
    HAKO_TRY(const auto sysctls, json_field_or<Sysctls>(json, "sysctl", {}));
    for (const auto& [name, value] : sysctls) HAKO_CHECK(set_sysctl(name, value));
    HAKO_TRY(const auto readonly, json_field_or<Names>(json, "readonlyPaths", {}));
    for (const auto& path : readonly) HAKO_CHECK(make_readonly(path));
    HAKO_TRY(const auto masked, json_field_or<Names>(json, "maskedPaths", {}));
    for (const auto& path : masked) HAKO_CHECK(mask(path));

    HAKO_TRY(const auto root, json_field_or<Json>(container, "root", Json::object()));
    HAKO_TRY(const bool readonly_root, json_field_or<bool>(root, "readonly", false));
    if (!readonly_root) return {};
    const auto flags = current_flags("/") | MS_BIND | MS_REMOUNT | MS_RDONLY;
    if (::mount(nullptr, "/", nullptr, flags, nullptr) != 0)
        return fail_errno(errno, "cannot make the root file system read-only");
    return {};
}

}  // namespace hako::init
