#include "runtime/seccomp.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace hako::runtime {
namespace {

// errno of `call` in a child under the filter, 0 for success; -1 when the filter did not load.
template <typename Call>
int error_under(std::string filter, Call call) {
    constexpr int kNotLoaded = 255;
    const pid_t child = ::fork();
    if (child == 0) {
        sock_fprog program{.len = static_cast<unsigned short>(filter.size() / sizeof(sock_filter)),
                           .filter = reinterpret_cast<sock_filter*>(filter.data())};
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(kNotLoaded);
        errno = 0;
        ::_exit(call() < 0 ? errno : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == kNotLoaded) return -1;
    return WEXITSTATUS(status);
}

const std::set<std::string> kDockerCapabilities{"CAP_CHOWN", "CAP_SYS_CHROOT", "CAP_AUDIT_WRITE"};

TEST(SeccompTest, IsAFilterThatTheKernelTakes) {
    const auto filter = default_seccomp_filter(kDockerCapabilities);
    ASSERT_TRUE(filter) << filter.error().message();
    EXPECT_GT(filter->size(), 100 * sizeof(sock_filter));
    EXPECT_EQ(filter->size() % sizeof(sock_filter), 0U);
    EXPECT_LE(filter->size() / sizeof(sock_filter), 4096U);  // BPF_MAXINSNS
    EXPECT_EQ(error_under(*filter, [] { return ::syscall(SYS_getpid); }), 0);
}

TEST(SeccompTest, RefusesWhatReachesOutOfTheContainer) {
    const auto filter = *default_seccomp_filter(kDockerCapabilities);
    EXPECT_EQ(error_under(filter, [] { return ::unshare(CLONE_NEWUSER); }), EPERM);
    EXPECT_EQ(error_under(filter, [] { return ::mount("x", "/", "tmpfs", 0, ""); }), EPERM);
    EXPECT_EQ(error_under(filter, [] { return ::syscall(SYS_bpf, 0, 0, 0); }), EPERM);
    EXPECT_EQ(error_under(filter, [] { return ::syscall(SYS_keyctl, 0, 0, 0); }), EPERM);
    EXPECT_EQ(error_under(filter, [] { return ::syscall(SYS_reboot, 0, 0, 0); }), EPERM);
    EXPECT_EQ(error_under(filter, [] { return ::syscall(SYS_io_uring_setup, 0, 0); }), EPERM);
    EXPECT_EQ(error_under(filter, [] { return ::syscall(SYS_socket, AF_VSOCK, 1, 0); }), EPERM);
}

TEST(SeccompTest, NewerCallsDoNotExist) {
    const auto filter = *default_seccomp_filter(kDockerCapabilities);
    EXPECT_EQ(error_under(filter, [] { return ::syscall(SYS_clone3, nullptr, 0); }), ENOSYS);
    EXPECT_EQ(error_under(filter, [] { return ::syscall(1000); }), ENOSYS);
}

TEST(SeccompTest, AllowsProcessesButNotNewNamespaces) {
    const auto filter = *default_seccomp_filter(kDockerCapabilities);
    EXPECT_EQ(error_under(filter,
                          [] {
                              const auto pid = ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
                              if (pid == 0) ::_exit(0);
                              return pid;
                          }),
              0);
    EXPECT_EQ(error_under(filter,
                          [] {
                              const auto pid =
                                  ::syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0);
                              if (pid == 0) ::_exit(0);
                              return pid;
                          }),
              EPERM);
}

TEST(SeccompTest, CapabilitiesBringTheirCalls) {
    const auto admin = *default_seccomp_filter({"CAP_SYS_ADMIN"});
    EXPECT_NE(error_under(admin, [] { return ::mount("x", "/nonexistent", "tmpfs", 0, ""); }),
              EPERM);
    // One of several capabilities is enough.
    const auto bpf = *default_seccomp_filter({"CAP_BPF"});
    EXPECT_EQ(error_under(bpf, [] { return ::syscall(SYS_bpf, 0x7fff, 0, 0); }), EINVAL);
    EXPECT_EQ(error_under(bpf, [] { return ::unshare(CLONE_NEWNS); }), EPERM);
}

TEST(SeccompTest, ReadsTheBoundingSet) {
    const auto set = capabilities_of(R"({"capabilities":{"bounding":["CAP_CHOWN","CAP_KILL"]}})");
    ASSERT_TRUE(set);
    EXPECT_EQ(*set, (std::set<std::string>{"CAP_CHOWN", "CAP_KILL"}));
    EXPECT_TRUE(capabilities_of("{}")->empty());
    EXPECT_FALSE(capabilities_of("[]"));
    EXPECT_FALSE(capabilities_of(R"({"capabilities":{"bounding":"all"}})"));
}

}  // namespace
}  // namespace hako::runtime
