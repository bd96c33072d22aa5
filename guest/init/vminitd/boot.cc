#include "init/vminitd/boot.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>

#include "base/fd.h"
#include "init/common/namespaces.h"
#include "init/common/sysctl.h"
#include "init/vminitd/cgroup.h"

namespace hako::init {
namespace {

struct GuestMount {
    const char* type;
    const char* target;
    unsigned long flags;
    const char* data;
};
constexpr unsigned long kNo = MS_NOSUID | MS_NOEXEC | MS_NODEV;
constexpr std::array kMounts{
    GuestMount{"proc", "/proc", kNo, ""},
    GuestMount{"sysfs", "/sys", kNo, ""},
    GuestMount{"devtmpfs", "/dev", MS_NOSUID, "mode=0755"},
    GuestMount{"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,ptmxmode=0666,gid=5"},
    GuestMount{"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777"},
    GuestMount{"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"},
    GuestMount{"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777"},
    GuestMount{"cgroup2", "/sys/fs/cgroup", kNo, "nsdelegate"},
};

constexpr int kAgentNiceness = -10;

// The kernel's first root cannot be left by pivot_root, which containers need. So the root becomes
// a bind mount of it. Read-only, it also keeps containers from overwriting our programs.
Result<void> replace_root() {
    const char* stand = "/run";
    if (::mount("/", stand, nullptr, MS_BIND, nullptr) != 0 || ::chdir(stand) != 0 ||
        ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || ::chroot(".") != 0 ||
        ::chdir("/") != 0)
        return fail_errno(errno, "cannot replace the first root file system");
    return {};
}

}  // namespace

Result<void> set_up_guest() {
    ::umask(0022);
    HAKO_CHECK(replace_root());
    for (const auto& mount : kMounts) {
        ::mkdir(mount.target, 0755);
        if (::mount(mount.type, mount.target, mount.type, mount.flags, mount.data) != 0)
            return fail_errno(errno, "cannot mount {} at {}", mount.type, mount.target);
    }
    if (::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0)
        return fail_errno(errno, "cannot make the guest's root read-only");
    delegate_controllers("/sys/fs/cgroup");
    // Also what processes of containers start with, as under Docker.
    const rlimit files{1048576, 1048576};
    ::setrlimit(RLIMIT_NOFILE, &files);
    // Before a container's processes, however many there are: they share no cgroup of the CPU's
    // with us (cgroup.h). But the one that wakes us goes on: it may have more to say. vmexec gives
    // both back.
    const sched_param none{};
    if (::setpriority(PRIO_PROCESS, 0, kAgentNiceness) != 0 ||
        ::sched_setscheduler(0, SCHED_BATCH, &none) != 0)
        return fail_errno(errno, "cannot come before containers");
    // Pages that a processor keeps free for itself go back to the host with no others; by default
    // up to 27 MiB. Older kernels do not have it.
    (void)set_sysctl("vm.percpu_pagelist_high_fraction", "1000");
    if (::sethostname("hako", 4) != 0) return fail_errno(errno, "cannot set the VM's host name");
    return bring_loopback_up();
}

std::string kernel_argument(std::string_view command_line, std::string_view name) {
    std::istringstream words{std::string(command_line)};
    std::string value;
    for (std::string word; words >> word;)
        if (word.starts_with(name) && word.size() > name.size() && word[name.size()] == '=')
            value = word.substr(name.size() + 1);
    return value;
}

void log_to_console() {
    auto console = open_file("/dev/console", O_RDWR | O_NOCTTY);
    if (!console) return;
    for (const int stream : {0, 1, 2}) ::dup2(console->get(), stream);
}

}  // namespace hako::init
