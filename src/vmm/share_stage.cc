#include "vmm/share_stage.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/fd.h"
#include "vmm/mount_tree.h"
#include "vmm/share_server.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

constexpr int kStageFailed = 125;
// A mount point that every host has and that nobody shares.
constexpr std::string_view kStage = "/sys";

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

Result<void> show(const Prepared& share) {
    const auto target = fs::path(kStage) / share.name;
    if (!share.folder) HAKO_CHECK(write_file(target, ""));
    else if (::mkdir(target.c_str(), 0755) != 0) return fail_errno(errno, "cannot stage a share");
    return attach_mounts(share.tree, target);
}

Result<void> stage(const StageSpec& spec) {
    for (const auto& file : spec.cgroup_procs) (void)write_file(file, "0");
    if (::unshare(CLONE_NEWNS) != 0)
        return fail_errno(errno, "sharing folders needs mount namespaces, that is, root rights");
    if (::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return fail_errno(errno, "cannot make mounts private");
    // All of them before the stage hides what lies below it.
    std::vector<Prepared> prepared;
    for (const auto& share : spec.shares) {
        HAKO_TRY(auto one, prepare(share));
        prepared.push_back(std::move(one));
    }
    if (::mount("hako-shares", kStage.data(), "tmpfs", MS_NOSUID | MS_NODEV,
                "mode=0755,size=1m,nr_inodes=4096") != 0)
        return fail_errno(errno, "cannot mount the shares' root");
    for (const auto& share : prepared) HAKO_CHECK(show(share));
    if (::mount("", kStage.data(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0)
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
    // (kernel/changes/shared_locks.c).
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
                          "--thread-pool-size=8",
                          nullptr};
    char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    // Else glibc asks for the number of processors once its threads want more than eight, by a
    // system call that virtiofsd's own filter kills it for.
    char arenas[] = "MALLOC_ARENA_MAX=4";
    char* environment[] = {path, arenas, nullptr};
    ::execve(spec.program.c_str(), const_cast<char**>(argv), environment);
    return fail_errno(errno, "cannot execute {}", spec.program.native()).value();
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
            {"parent", spec.parent}};
}

Result<StageSpec> stage_spec_from_json(const Json& json) {
    StageSpec spec;
    HAKO_TRY(spec.program, json_field_or<std::string>(json, "program", {}));
    HAKO_TRY(const auto shares, json_field_or(json, "shares", Json::array()));
    HAKO_TRY(spec.shares, shares_from_json(shares));
    HAKO_TRY(const auto procs, json_field_or<std::vector<std::string>>(json, "cgroup_procs", {}));
    spec.cgroup_procs.assign(procs.begin(), procs.end());
    HAKO_TRY(spec.parent, json_field_or<pid_t>(json, "parent", 0));
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
    const auto reason = []() -> Error {
        const auto spec = read_spec();
        if (!spec) return spec.error();
        if (const auto staged = stage(*spec); !staged) return staged.error();
        return execute(*spec);
    }();
    (void)write_all(kStageReasonsFd, reason.message());
    return kStageFailed;
}

}  // namespace hako::vmm
