#include "vmm/jail.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "base/fd.h"
#include "base/process.h"
#include "vmm/mount_tree.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

constexpr int kJailFailed = 125;
constexpr uid_t kFirstUid = 0x70000000;
constexpr uid_t kUidMask = 0x00ffffff;
constexpr uid_t kNobody = 65534;

// A mount point that every host has and that no file of a VM lies below.
constexpr std::string_view kStage = "/sys";
// What a dynamically linked program needs to run.
constexpr std::string_view kSystemFolders[] = {"/usr",    "/lib", "/lib64", "/lib32",
                                               "/libx32", "/bin", "/sbin"};
constexpr std::string_view kSystemFiles[] = {"/etc/ld.so.cache", "/etc/ld.so.conf"};

void note(const Error& error) {
    std::fprintf(stderr, "hako-shim jail: not confined in one way: %s\n", error.message().c_str());
}
void tolerate(const Result<void>& step) {
    if (!step) note(step.error());
}

Result<void> system_call(long result, std::string_view what) {
    if (result != 0) return fail_errno(errno, "cannot {}", what);
    return {};
}

Result<void> join_cgroups(const JailSpec& spec) {
    for (const auto& path : spec.cgroup_procs)
        HAKO_CHECK(with_context(write_file(path, "0"), "cannot join the VM's cgroup"));
    return {};
}

fs::path staged(const fs::path& path) { return fs::path(kStage) / path.relative_path(); }

// Shows `source` at the same path in the new root: read-only and without devices in it.
Result<void> show(const fs::path& source,
                  std::uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV) {
    std::error_code error;
    const auto target = staged(source);
    fs::create_directories(target.parent_path(), error);
    if (fs::is_directory(source, error)) {
        fs::create_directory(target, error);
    } else {
        HAKO_TRY(const Fd made, open_file(target, O_WRONLY | O_CREAT, 0444));
    }
    HAKO_TRY(const Fd found, open_file(source, O_PATH));
    HAKO_TRY(const Fd tree, with_context(clone_mounts(found.get(), MOUNT_ATTR_NOSUID | attributes),
                                         fmt::format("cannot show {} to QEMU", source.native())));
    return attach_mounts(tree, target);
}

// A link stays a link (/lib -> usr/lib), so that a merged /usr is shown once.
Result<void> show_system_folder(const fs::path& path) {
    std::error_code error;
    const auto status = fs::symlink_status(path, error);
    if (error || status.type() == fs::file_type::not_found) return {};
    if (!fs::is_symlink(status)) return show(path);
    fs::create_symlink(fs::read_symlink(path, error), staged(path), error);
    return {};
}

Result<void> make_device(const fs::path& path, uid_t uid) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return fail_errno(errno, "no {}", path.native());
    const auto target = staged(path);
    std::error_code error;
    fs::create_directories(target.parent_path(), error);
    const bool made = ::mknod(target.c_str(), S_IFCHR | 0600, status.st_rdev) == 0;
    // A user namespace makes no devices, but may show the host's.
    if (!made && errno == EPERM) return show(path, MOUNT_ATTR_RDONLY);
    if (!made) return fail_errno(errno, "cannot make the device {}", path.native());
    return system_call(::chown(target.c_str(), uid, uid), "give a device to QEMU");
}

// Where VFIO looks for devices. The stage lies over the host's own.
Result<void> mount_sysfs() {
    const auto target = staged("/sys");
    std::error_code error;
    fs::create_directory(target, error);
    return system_call(::mount("sysfs", target.c_str(), "sysfs",
                               MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr),
                       "show devices to QEMU");
}

Result<void> build_root(const JailSpec& spec, uid_t uid) {
    HAKO_CHECK(system_call(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr),
                           "make mounts private"));
    HAKO_CHECK(system_call(
        ::mount("hako-jail", kStage.data(), "tmpfs", MS_NOSUID, "mode=0755,size=1m,nr_inodes=256"),
        "mount the jail's root"));
    std::error_code error;
    for (const auto* folder : {"dev", "etc", "tmp"})
        fs::create_directory(fs::path(kStage) / folder, error);
    for (const auto folder : kSystemFolders) HAKO_CHECK(show_system_folder(folder));
    for (const fs::path file : kSystemFiles)
        if (fs::exists(file, error)) HAKO_CHECK(show(file));
    for (const auto& file : spec.files)
        if (!file.native().starts_with("/usr/")) HAKO_CHECK(show(file));
    for (const auto& folder : spec.folders) HAKO_CHECK(show(folder, MOUNT_ATTR_NODEV));
    for (const auto& device : spec.devices) HAKO_CHECK(make_device(device, uid));
    if (spec.vfio) HAKO_CHECK(mount_sysfs());

    HAKO_CHECK(system_call(::chdir(kStage.data()), "enter the jail's root"));
    HAKO_CHECK(system_call(::syscall(SYS_pivot_root, ".", "."), "change the root"));
    HAKO_CHECK(system_call(::umount2(".", MNT_DETACH), "let the host's root go"));
    HAKO_CHECK(system_call(::chdir("/"), "enter the root"));
    return system_call(
        ::mount("", "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, nullptr),
        "make the jail's root read-only");
}

void set_limits(const JailSpec& spec) {
    const auto limit = [](auto resource, rlim_t value) {
        const rlimit both{.rlim_cur = value, .rlim_max = value};
        tolerate(system_call(::setrlimit(resource, &both), "set a resource limit"));
    };
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, 1024);
    limit(RLIMIT_NPROC, 1024);
    // A device reads and writes all of the guest's memory.
    if (spec.vfio) limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
    // The shim's own limit is none for the guest's memory.
    rlimit data{};
    if (::getrlimit(RLIMIT_DATA, &data) == 0) limit(RLIMIT_DATA, data.rlim_max);
}

// uid 0 stays what it is: the user of a user namespace that has no other.
Result<void> become(uid_t uid) {
    for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability) >= 0; ++capability)
        (void)::prctl(PR_CAPBSET_DROP, capability);
    if (uid != 0) {
        HAKO_CHECK(system_call(::setgroups(0, nullptr), "drop the supplementary groups"));
        HAKO_CHECK(system_call(::setresgid(uid, uid, uid), "change the gid"));
        HAKO_CHECK(system_call(::setresuid(uid, uid, uid), "change the uid"));
    }
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3]{};
    return system_call(::syscall(SYS_capset, &header, none), "drop capabilities");
}

// Whether a user namespace around us knows the uid: in many containers only 0 to 65535 exist.
bool is_mapped(uid_t uid) {
    const auto text = read_file("/proc/self/uid_map");
    unsigned long inside = 0;
    unsigned long outside = 0;
    unsigned long count = 0;
    const char* at = text ? text->c_str() : "";
    for (int used = 0; std::sscanf(at, "%lu %lu %lu%n", &inside, &outside, &count, &used) == 3;
         at += used)
        if (uid >= inside && uid - inside < count) return true;
    return false;
}

Result<void> confine(const JailSpec& spec) {
    tolerate(join_cgroups(spec));
    set_limits(spec);
    if (!spec.huge_pages)
        tolerate(system_call(::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), "do without huge pages"));
    if (::geteuid() != 0) {
        note(Error(ErrorKind::forbidden, "hako does not run as root"));
    } else {
        const uid_t uid = usable_uid(spec.uid);
        if (uid == 0) note(Error(ErrorKind::forbidden, "this user namespace has only one uid"));
        const int namespaces =
            CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (spec.own_network ? CLONE_NEWNET : 0);
        if (auto made = system_call(::unshare(namespaces), "make namespaces"); !made)
            note(made.error());
        else HAKO_CHECK(build_root(spec, uid));
        HAKO_CHECK(become(uid));
    }
    HAKO_CHECK(system_call(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "forbid new privileges"));
    // A change of the uid clears this, so it comes after.
    HAKO_CHECK(system_call(::prctl(PR_SET_PDEATHSIG, SIGKILL), "tie QEMU to its shim"));
    if (::getppid() != spec.parent)
        return fail(ErrorKind::cancelled, "the process that wanted a VM is gone");
    return {};
}

Result<JailSpec> read_spec() {
    HAKO_TRY(const std::string text, read_file("/proc/self/fd/0"));
    HAKO_TRY(const auto json, parse_json(text));
    return jail_spec_from_json(json);
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> list;
    for (auto& word : words) list.push_back(word.data());
    list.push_back(nullptr);
    return list;
}

Error execute(JailSpec spec) {
    // Of our environment nothing is QEMU's business. One malloc arena keeps it small.
    std::vector<std::string> environment{"PATH=/usr/bin:/bin", "MALLOC_ARENA_MAX=1"};
    if (!spec.preload.empty()) environment.push_back("LD_PRELOAD=" + spec.preload.native());
    const auto argv = pointers(spec.argv);
    const char* const program = spec.program.empty() ? argv.front() : spec.program.c_str();
    ::execve(program, argv.data(), pointers(environment).data());
    return fail_errno(errno, "cannot execute {}", program).value();
}

}  // namespace

Json to_json(const JailSpec& spec) {
    const auto strings = [](const std::vector<fs::path>& paths) {
        return std::vector<std::string>(paths.begin(), paths.end());
    };
    return {{"argv", spec.argv},
            {"program", spec.program.native()},
            {"preload", spec.preload.native()},
            {"files", strings(spec.files)},
            {"folders", strings(spec.folders)},
            {"devices", strings(spec.devices)},
            {"cgroup_procs", strings(spec.cgroup_procs)},
            {"huge_pages", spec.huge_pages},
            {"vfio", spec.vfio},
            {"own_network", spec.own_network},
            {"uid", spec.uid},
            {"parent", spec.parent}};
}

Result<JailSpec> jail_spec_from_json(const Json& json) {
    JailSpec spec;
    const auto paths = [&](std::string_view name, std::vector<fs::path>& into) -> Result<void> {
        HAKO_TRY(const auto list, json_field_or<std::vector<std::string>>(json, name, {}));
        into.assign(list.begin(), list.end());
        return {};
    };
    HAKO_TRY(spec.argv, json_field_or<std::vector<std::string>>(json, "argv", {}));
    HAKO_TRY(spec.program, json_field_or<std::string>(json, "program", {}));
    HAKO_TRY(spec.preload, json_field_or<std::string>(json, "preload", {}));
    HAKO_CHECK(paths("files", spec.files));
    HAKO_CHECK(paths("folders", spec.folders));
    HAKO_CHECK(paths("devices", spec.devices));
    HAKO_CHECK(paths("cgroup_procs", spec.cgroup_procs));
    HAKO_TRY(spec.huge_pages, json_field_or(json, "huge_pages", spec.huge_pages));
    HAKO_TRY(spec.vfio, json_field_or(json, "vfio", spec.vfio));
    HAKO_TRY(spec.own_network, json_field_or(json, "own_network", spec.own_network));
    HAKO_TRY(spec.uid, json_field_or<uid_t>(json, "uid", 0));
    HAKO_TRY(spec.parent, json_field_or<pid_t>(json, "parent", 0));
    if (spec.argv.empty() || !spec.argv.front().starts_with('/') || spec.uid == 0)
        return fail(ErrorKind::invalid, "the jail needs a program's absolute path and a uid");
    return spec;
}

uid_t jail_uid(std::string_view machine_id) {
    std::uint32_t hash = 2166136261;  // FNV-1a
    for (const char c : machine_id) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
    return kFirstUid + (hash & kUidMask);
}

uid_t usable_uid(uid_t wanted) {
    return is_mapped(wanted) ? wanted : is_mapped(kNobody) ? kNobody : 0;
}

int jail_main() {
    auto locked_in = [&]() -> Result<JailSpec> {
        HAKO_TRY(auto spec, read_spec());
        HAKO_CHECK(confine(spec));
        HAKO_TRY(const Fd null, open_file("/dev/null", O_RDWR));
        if (::dup2(null.get(), 0) < 0) return fail_errno(errno, "cannot use /dev/null");
        return spec;
    }();
    const Error error = locked_in ? execute(*std::move(locked_in)) : locked_in.error();
    std::fprintf(stderr, "hako-shim jail: %s\n", error.message().c_str());
    return kJailFailed;
}

}  // namespace hako::vmm
