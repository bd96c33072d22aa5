// vmexec: makes the inside of a container around itself and becomes its process, or copies files in
// and out. Started by vminitd only (init/common/vmexec_protocol.h).
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <optional>

#include "base/fd.h"
#include "base/json.h"
#include "init/common/namespaces.h"
#include "init/common/path_in_root.h"
#include "init/common/vmexec_protocol.h"
#include "init/vmexec/archive.h"
#include "init/vmexec/changes.h"
#include "init/vmexec/control.h"
#include "init/vmexec/execute.h"
#include "init/vmexec/init_process.h"
#include "init/vmexec/rootfs.h"
#include "init/vmexec/terminal.h"
#include "init/vmexec/user.h"

namespace hako::init {
namespace {

constexpr const char* kSharedMemory = "/dev/shm";

Result<std::string> read_fd(int fd) {
    struct stat state {};
    if (::fstat(fd, &state) != 0) return fail_errno(errno, "vmexec lacks its descriptor {}", fd);
    std::string text(static_cast<std::size_t>(state.st_size), '\0');
    const auto got = ::pread(fd, text.data(), text.size(), 0);
    if (got != state.st_size) return fail_errno(errno, "cannot read descriptor {}", fd);
    return text;
}

void reset_signals() {
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// From here the process is in all the container's namespaces, in its root.
Result<void> run_program(const Json& request, const Json& process, bool first) {
    HAKO_TRY(const bool filtered, json_field_or<bool>(request, request::kSeccomp, false));
    std::string filter;
    if (filtered) {
        HAKO_TRY(filter, read_fd(kSeccompFd));
    }
    HAKO_TRY(const bool terminal, json_field_or<bool>(process, "terminal", false));
    if (::setsid() < 0 && errno != EPERM) return fail_errno(errno, "cannot start a session");
    // Not closed before an error is told: the hang-up would end us.
    std::optional<int> master;
    if (terminal) {
        HAKO_TRY(Fd opened, open_terminal(process, first));
        master = opened.release();
    }
    bool below_init = false;
    if (first) {
        HAKO_TRY(const auto container, json_field_or<Json>(request, request::kContainer, {}));
        HAKO_CHECK(finish_root(container));
        HAKO_TRY(below_init, wants_init(container));
    }
    HAKO_TRY(auto program, read_program(process));
    program.makes_cwd = first;
    HAKO_CHECK(apply_limits(process));
    HAKO_CHECK(send_report({{"ready", true}}, master));
    if (master) ::close(*master);
    HAKO_CHECK(wait_for_go());
    return fail(execute(process, std::move(program), filter, below_init));
}

Result<void> join(unsigned flags) {
    if (::setns(kContainerFd, static_cast<int>(flags)) != 0)
        return fail_errno(errno == ESRCH ? ENOENT : errno, "cannot join the container");
    return {};
}

// Only a child is in a pid namespace that was joined; it becomes vminitd's child, as we are. It
// says nothing before we told its pid: the pipe ends with us. True in the child.
Result<bool> go_on_as_child() {
    HAKO_TRY(auto pipe, make_pipe());
    const auto pid = ::syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (pid < 0) return fail_errno(errno, "cannot start a process in the container");
    if (pid != 0) {
        HAKO_CHECK(send_report({{"pid", pid}}));
        return false;
    }
    pipe.second.reset();
    HAKO_CHECK(wait_readable(pipe.first.get(), {}));
    return true;
}

// The other container's shared memory, as a mount that is nowhere yet. Some have none.
Result<Fd> shared_memory_of_joined() {
    HAKO_TRY(const Fd ours, open_file("/proc/self/ns/mnt", O_RDONLY));
    HAKO_CHECK(join(CLONE_NEWNS));
    Fd tree(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, kSharedMemory,
                                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW)));
    if (::setns(ours.get(), CLONE_NEWNS) != 0)
        return fail_errno(errno, "cannot come back from the other container");
    return tree;
}

Result<void> mount_shared_memory(const Fd& root, const Fd& tree) {
    if (!tree) return {};
    HAKO_TRY(const auto target, make_folder_in_root(root.get(), kSharedMemory));
    if (::syscall(SYS_move_mount, tree.get(), "", target.get(), "",
                  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
        return fail_errno(errno, "cannot mount the other container's {}", kSharedMemory);
    return {};
}

Result<void> run_first(const Json& request) {
    HAKO_TRY(const auto container, json_field_or<Json>(request, request::kContainer, {}));
    HAKO_TRY(const auto process, json_field_or<Json>(request, request::kProcess, {}));
    using Files = std::map<std::string, std::string>;
    HAKO_TRY(const auto files, json_field_or<Files>(request, request::kFiles, {}));
    HAKO_TRY(const auto namespaces, namespaces_of(container));
    Fd shared_memory;
    if ((namespaces.joined & CLONE_NEWIPC) != 0) {
        HAKO_TRY(shared_memory, shared_memory_of_joined());
    }
    if (namespaces.joined != 0) HAKO_CHECK(join(namespaces.joined));
    if ((namespaces.joined & CLONE_NEWPID) != 0) {
        HAKO_TRY(const bool in_child, go_on_as_child());
        if (!in_child) return {};
    }
    // Not with clone3: the new namespace's root would be vminitd's cgroup, not the container's.
    if ((namespaces.own & CLONE_NEWCGROUP) != 0 && ::unshare(CLONE_NEWCGROUP) != 0)
        return fail_errno(errno, "cannot make a cgroup namespace");
    if ((namespaces.own & CLONE_NEWNET) != 0) HAKO_CHECK(bring_loopback_up());
    HAKO_TRY(const auto root, build_root(container, files));
    HAKO_CHECK(mount_shared_memory(root, shared_memory));
    HAKO_CHECK(enter_root(root, container));
    return run_program(request, process, true);
}

Result<void> run_exec(const Json& request) {
    HAKO_TRY(const auto container, json_field_or<Json>(request, request::kContainer, {}));
    HAKO_TRY(const auto process, json_field_or<Json>(request, request::kProcess, {}));
    HAKO_TRY(const auto namespaces, namespaces_of(container));
    HAKO_CHECK(join(namespaces.all()));
    HAKO_TRY(const bool in_child, go_on_as_child());
    if (!in_child) return {};
    if (::chdir("/") != 0) return fail_errno(errno, "cannot enter the container's root");
    return run_program(request, process, false);
}

// The copies work in the container's root, so that no path leads out of it.
Result<void> enter_copy_root(const Json& request) {
    HAKO_TRY(const bool joins, json_field_or<bool>(request, request::kJoin, false));
    HAKO_TRY(const auto root, json_field_or<std::string>(request, request::kRoot, ""));
    if (joins) HAKO_CHECK(join(CLONE_NEWNS));
    else if (::chroot(root.c_str()) != 0) return fail_errno(errno, "cannot enter {}", root);
    if (::chdir("/") != 0) return fail_errno(errno, "cannot enter the container's root");
    return {};
}

Result<void> run_copy_in(const Json& request) {
    HAKO_CHECK(enter_copy_root(request));
    CopyInOptions options;
    HAKO_TRY(const auto path, json_field_or<std::string>(request, request::kPath, ""));
    HAKO_TRY(options.keep_kinds, json_field_or<bool>(request, request::kKeepKinds, false));
    HAKO_TRY(const auto owner, json_field_or<std::string>(request, request::kOwner, ""));
    if (!owner.empty()) {
        HAKO_TRY(const auto accounts, read_accounts());
        HAKO_TRY(const auto user, find_user(owner, 0, accounts));
        options.owner = {user.uid, user.gid};
    }
    return extract_tar(0, path, options);
}

Result<void> run_copy_out(const Json& request) {
    HAKO_CHECK(enter_copy_root(request));
    HAKO_TRY(const auto path, json_field_or<std::string>(request, request::kPath, ""));
    HAKO_TRY(const bool stat_only, json_field_or<bool>(request, request::kStatOnly, false));
    HAKO_TRY(const auto stat, stat_path(path));
    HAKO_CHECK(send_report({{"stat", stat}}));
    return stat_only ? Result<void>() : create_tar(path, 1);
}

// Works outside of the container, on directories that only the VM's own mounts lead to.
Result<void> run_changes(const Json& request) {
    Overlay overlay;
    HAKO_TRY(overlay.upper, json_field_or<std::string>(request, request::kUpper, ""));
    HAKO_TRY(overlay.lower, json_field_or<std::string>(request, request::kLower, ""));
    HAKO_TRY(overlay.hidden,
             json_field_or<std::vector<std::string>>(request, request::kHidden, {}));
    HAKO_TRY(const bool list, json_field_or<bool>(request, request::kList, false));
    return list ? list_changes(overlay, 1) : create_layer(overlay, 1);
}

Result<void> run() {
    // Processes of the container must neither trace us nor look at our descriptors.
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return fail_errno(errno, "cannot hide from the container");
    if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
        return fail_errno(errno, "cannot mark descriptors as ours");
    reset_signals();
    // vminitd comes before what it starts.
    const sched_param none{};
    if (::sched_setscheduler(0, SCHED_OTHER, &none) != 0 || ::setpriority(PRIO_PROCESS, 0, 0) != 0)
        return fail_errno(errno, "cannot give vminitd's priority back");
    HAKO_TRY(const auto text, read_fd(kRequestFd));
    HAKO_TRY(const auto request, parse_json(text));
    HAKO_TRY(const auto name, json_field_or<std::string>(request, request::kAction, ""));
    if (name == action::kFirst) return run_first(request);
    if (name == action::kExec) return run_exec(request);
    if (name == action::kCopyIn) return run_copy_in(request);
    if (name == action::kCopyOut) return run_copy_out(request);
    if (name == action::kChanges) return run_changes(request);
    return fail(ErrorKind::invalid, "vmexec knows no action \"{}\"", name);
}

int guarded() {
    try {
        const auto done = run();
        if (done) return 0;
        (void)send_error(done.error());
    } catch (const std::exception& exception) {
        (void)send_error({ErrorKind::internal, exception.what()});
    }
    return 1;
}

}  // namespace
}  // namespace hako::init

int main(int argc, char** argv) {
    if (hako::init::is_init(argc, argv)) hako::init::init_main(argv);
    ::_exit(hako::init::guarded());
}
