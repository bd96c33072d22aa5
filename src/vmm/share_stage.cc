#include "vmm/share_stage.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <sstream>
#include <thread>

#include "base/fd.h"
#include "vmm/mount_tree.h"
#include "vmm/share_server.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

constexpr int kStageFailed = 125;
// A mount point that every host has and that nobody shares.
constexpr const char* kStage = "/sys";
constexpr std::string_view kMountName = "hako-shares";
constexpr auto kShutIn = std::chrono::seconds(10);  // virtiofsd is, after its start

// The mount that is the share.
Result<Fd> open_source(const Share& share) {
    Fd source(::open(share.source.c_str(), O_PATH | O_CLOEXEC));
    if (!source)
        return fail_errno(errno, "the folder or file {} cannot be shared", share.source.native());
    if (share.subpath.empty()) return source;
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    Fd below(static_cast<int>(
        ::syscall(SYS_openat2, source.get(), share.subpath.c_str(), &how, sizeof how)));
    if (below) return below;
    if (errno == EXDEV)
        return fail(ErrorKind::invalid, "the subpath {} leaves {}", share.subpath,
                    share.source.native());
    return fail_errno(errno, "the subpath {} of {} cannot be shared", share.subpath,
                      share.source.native());
}

// The share's mounts, not yet anywhere.
struct Prepared {
    std::string name;
    bool folder = false;
    Fd tree;
};

Result<Prepared> prepare(const Share& share) {
    HAKO_TRY(const Fd source, open_source(share));
    struct stat status {};
    if (::fstat(source.get(), &status) != 0) return fail_errno(errno, "cannot look at a share");
    if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
        return fail(ErrorKind::invalid, "{} is neither a folder nor an ordinary file",
                    share.source.native());
    HAKO_TRY(Fd tree,
             with_context(clone_mounts(source.get(), share.read_only ? MOUNT_ATTR_RDONLY : 0),
                          share.source.native()));
    return Prepared{share.name, S_ISDIR(status.st_mode), std::move(tree)};
}

// All of them, from where the starter is; from then on this process has mounts of its own.
Result<std::vector<Prepared>> prepare(const std::vector<Share>& shares) {
    if (::unshare(CLONE_NEWNS) != 0)
        return fail_errno(errno, "sharing folders needs mount namespaces, that is, root rights");
    if (::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return fail_errno(errno, "cannot make mounts private");
    std::vector<Prepared> prepared;
    for (const auto& share : shares) {
        HAKO_TRY(auto one, prepare(share));
        prepared.push_back(std::move(one));
    }
    return prepared;
}

// The stage's root, by a descriptor that writes and by its path.
struct Stage {
    Fd root;
    fs::path path;
};

Result<void> hide(const std::string& name, const Stage& stage) {
    (void)::umount2((stage.path / name).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    if (::unlinkat(stage.root.get(), name.c_str(), 0) != 0 &&
        ::unlinkat(stage.root.get(), name.c_str(), AT_REMOVEDIR) != 0)
        return fail_errno(errno, "cannot remove a share");
    return {};
}

Result<void> show(const Prepared& share, const Stage& stage) {
    constexpr int kNewFile = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    const char* const name = share.name.c_str();
    const bool made = share.folder
                          ? ::mkdirat(stage.root.get(), name, 0755) == 0
                          : static_cast<bool>(Fd(::openat(stage.root.get(), name, kNewFile, 0644)));
    if (!made) return fail_errno(errno, "cannot stage a share");
    auto attached = attach_mounts(share.tree, stage.path / share.name);
    if (!attached) (void)hide(share.name, stage);
    return attached;
}

// All of them or none.
Result<void> show(const std::vector<Prepared>& shares, const Stage& stage) {
    for (auto share = shares.begin(); share != shares.end(); ++share) {
        const auto shown = show(*share, stage);
        if (shown) continue;
        while (share != shares.begin()) (void)hide((--share)->name, stage);
        return shown;
    }
    return {};
}

Result<void> stage(const StageSpec& spec) {
    for (const auto& file : spec.cgroup_procs) (void)write_file(file, "0");
    HAKO_TRY(const auto prepared, prepare(spec.shares));
    if (::mount(kMountName.data(), kStage, "tmpfs", MS_NOSUID | MS_NODEV,
                "mode=0755,size=1m,nr_inodes=4096") != 0)
        return fail_errno(errno, "cannot mount the shares' root");
    HAKO_TRY(Fd root, open_file(kStage, O_PATH | O_DIRECTORY));
    const Stage made{std::move(root), kStage};
    HAKO_CHECK(show(prepared, made));
    if (::mount("", kStage, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0)
        return fail_errno(errno, "cannot make the shares' root read-only");
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return fail_errno(errno, "cannot tie virtiofsd to its shim");
    if (::getppid() != spec.parent)
        return fail(ErrorKind::cancelled, "the process that wanted shares is gone");
    return {};
}

Error execute(const StageSpec& spec) {
    // cache=auto: close-to-open, so that containers see each other's files, and mmap works. Device
    // nodes that a guest made would be the host's devices. flock is not announced: our guest kernel
    // asks for it anyway, without waiting, and virtiofsd would refuse others, which wait
    // (kernel/changes/fs/fuse/shared_locks.c). Without a thread pool, which is its default: handing
    // each request to a pool made small files a fifth slower (docs/decisions/0017).
    const std::string listener = fmt::format("--fd={}", kStageListenerFd);
    const std::string source = fmt::format("source={}", kStage);
    const char* argv[] = {spec.program.c_str(),
                          listener.c_str(),
                          "-o",
                          source.c_str(),
                          "-o",
                          "cache=auto,xattr,posix_lock",
                          "-o",
                          "announce_submounts,modcaps=-mknod,log_level=err",
                          nullptr};
    char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char* environment[] = {path, nullptr};
    ::execve(spec.program.c_str(), const_cast<char**>(argv), environment);
    return fail_errno(errno, "cannot execute {}", spec.program.native()).value();
}

// A line of proc(5)'s mountinfo.
struct SeenMount {
    std::string device, point;
    bool is_stage = false;
};

Result<std::vector<SeenMount>> mounts_seen_by(pid_t server) {
    HAKO_TRY(const auto text, read_file(fmt::format("/proc/{}/mountinfo", server)));
    std::istringstream lines(text);
    std::vector<SeenMount> mounts;
    for (std::string line; std::getline(lines, line);) {
        std::string id, parent, root;
        SeenMount mount;
        std::istringstream(line) >> id >> parent >> mount.device >> root >> mount.point;
        mount.is_stage = line.find(fmt::format(" - tmpfs {} ", kMountName)) != line.npos;
        mounts.push_back(std::move(mount));
    }
    return mounts;
}

// The device of the stage, if that is all that the process sees; else empty.
Result<std::string> stage_seen_by(pid_t server) {
    HAKO_TRY(auto mounts, mounts_seen_by(server));
    std::erase_if(mounts, [](const SeenMount& mount) { return mount.point != "/"; });
    // In between it has two.
    return mounts.size() == 1 && mounts.front().is_stage ? mounts.front().device : "";
}

Result<std::string> wait_until_shut_in(pid_t server) {
    const auto deadline = std::chrono::steady_clock::now() + kShutIn;
    for (;;) {
        HAKO_TRY(auto device, stage_seen_by(server));
        if (!device.empty()) return device;
        if (std::chrono::steady_clock::now() > deadline)
            return fail(ErrorKind::deadline, "virtiofsd does not get ready to serve");
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

// This process sees what virtiofsd sees, from then on; but it may write the stage's root.
Result<Stage> enter(pid_t server) {
    HAKO_TRY(const auto device, wait_until_shut_in(server));
    HAKO_TRY(const Fd space, open_file(fmt::format("/proc/{}/ns/mnt", server), O_RDONLY));
    if (::setns(space.get(), CLONE_NEWNS) != 0)
        return fail_errno(errno, "cannot enter virtiofsd's mounts");
    // Whatever happens, not the host's root.
    struct stat status {};
    if (::stat("/", &status) != 0 ||
        fmt::format("{}:{}", major(status.st_dev), minor(status.st_dev)) != device)
        return fail(ErrorKind::internal, "virtiofsd does not see the shares' root");
    Fd root(::open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    mount_attr writable{};
    writable.attr_clr = MOUNT_ATTR_RDONLY;
    if (!root || ::mount_setattr(root.get(), "", AT_EMPTY_PATH, &writable, sizeof writable) != 0)
        return fail_errno(errno, "cannot write to the shares' root");
    return Stage{std::move(root), "/"};
}

// What was there to read only becomes as it would be now; seen: the mounts that are served.
Result<void> open_up(const Prepared& share, const Stage& stage,
                     const std::vector<SeenMount>& seen) {
    struct statvfs status {};
    if (::fstatvfs(share.tree.get(), &status) != 0)
        return fail_errno(errno, "cannot look at a share");
    if ((status.f_flag & ST_RDONLY) != 0) return {};  // so it is on the host
    const fs::path path = stage.path / share.name;
    // Some of them may be read-only on the host.
    if (std::ranges::any_of(seen, [&](const SeenMount& mount) {
            return mount.point.starts_with(path.native() + '/');
        }))
        return fail(ErrorKind::invalid,
                    "another container in the VM has it to read only, with what is mounted below: "
                    "it must be writable there, too");
    mount_attr writable{};
    writable.attr_clr = MOUNT_ATTR_RDONLY;
    if (::mount_setattr(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, &writable, sizeof writable) !=
        0)
        return fail_errno(errno, "cannot make a share writable");
    return {};
}

Result<void> change(const StageSpec& spec) {
    HAKO_TRY(auto prepared, prepare(spec.shares));
    HAKO_TRY(const auto seen, mounts_seen_by(spec.server));
    HAKO_TRY(const Stage stage, enter(spec.server));
    for (const auto& name : spec.removed) HAKO_CHECK(hide(name, stage));
    const auto is_there = [&](const Prepared& share) {
        return ::faccessat(stage.root.get(), share.name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    };
    for (std::size_t i = 0; i < prepared.size(); ++i)
        if (is_there(prepared[i]))
            HAKO_CHECK(
                with_context(open_up(prepared[i], stage, seen), spec.shares[i].source.native()));
    std::erase_if(prepared, is_there);
    return show(prepared, stage);
}

Result<StageSpec> read_spec() {
    HAKO_TRY(const auto text, read_to_end(STDIN_FILENO));
    HAKO_TRY(const auto json, parse_json(text));
    return stage_spec_from_json(json);
}

}  // namespace

Json to_json(const StageSpec& spec) {
    return {{"program", spec.program.native()},
            {"shares", to_json(spec.shares)},
            {"cgroup_procs",
             std::vector<std::string>(spec.cgroup_procs.begin(), spec.cgroup_procs.end())},
            {"parent", spec.parent},
            {"server", spec.server},
            {"removed", spec.removed}};
}

Result<StageSpec> stage_spec_from_json(const Json& json) {
    StageSpec spec;
    HAKO_TRY(spec.program, json_field_or<std::string>(json, "program", {}));
    HAKO_TRY(const auto shares, json_field_or(json, "shares", Json::array()));
    HAKO_TRY(spec.shares, shares_from_json(shares));
    HAKO_TRY(const auto procs, json_field_or<std::vector<std::string>>(json, "cgroup_procs", {}));
    spec.cgroup_procs.assign(procs.begin(), procs.end());
    HAKO_TRY(spec.parent, json_field_or<pid_t>(json, "parent", 0));
    HAKO_TRY(spec.server, json_field_or<pid_t>(json, "server", 0));
    HAKO_TRY(spec.removed, json_field_or<std::vector<std::string>>(json, "removed", {}));
    return spec;
}

Result<std::string> read_to_end(int fd) {
    std::string text;
    std::array<std::byte, 4096> buffer{};
    for (;;) {
        HAKO_TRY(const auto count, read_some(fd, buffer));
        if (count == 0) return text;
        text += as_text(std::span(buffer).first(count));
    }
}

int share_stage_main() {
    ::fcntl(kStageReasonsFd, F_SETFD, FD_CLOEXEC);
    const auto done = []() -> Result<void> {
        HAKO_TRY(const auto spec, read_spec());
        if (spec.server != 0) return change(spec);
        HAKO_CHECK(stage(spec));
        return fail(execute(spec));
    }();
    if (done) return 0;
    (void)write_all(kStageReasonsFd, done.error().message());
    return kStageFailed;
}

}  // namespace hako::vmm
