#include "runtime/seccomp.h"

#include "runtime/seccomp_profile.h"

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

TEST(SeccompTest, AnOwnProfileIsInForce) {
    constexpr const char* kProfile = R"({
        "defaultAction": "SCMP_ACT_ALLOW",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["getppid", "newer_than_anything"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7},
            {"name": "getpgrp", "action": "SCMP_ACT_ERRNO"},
            {"names": ["socket"], "action": "SCMP_ACT_ERRNO",
             "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}]},
            {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 8,
             "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"},
                      {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
            {"names": ["sync"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_CHOWN"]}},
            {"names": ["getuid"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_CHOWN"]}},
            {"names": ["getgid"], "action": "SCMP_ACT_ERRNO", "includes": {"arches": ["s390x"]}},
            {"names": ["getegid"], "action": "SCMP_ACT_ERRNO", "includes": {"minKernel": "99.0"}}
        ]})";
    SeccompFilters filters;
    const auto filter = filters.find(kProfile, R"({"capabilities":{"bounding":["CAP_CHOWN"]}})");
    ASSERT_TRUE(filter) << filter.error().message();
    EXPECT_EQ(error_under(*filter, [] { return ::syscall(SYS_getppid); }), 7);
    EXPECT_EQ(error_under(*filter, [] { return ::syscall(SYS_getpgrp); }), EPERM);
    EXPECT_EQ(error_under(*filter, [] { return ::socket(AF_NETLINK, SOCK_RAW, 0); }), EPERM);
    EXPECT_EQ(error_under(*filter, [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }), 0);
    for (const unsigned personality : {1U, 2U})
        EXPECT_EQ(error_under(*filter, [&] { return ::syscall(SYS_personality, personality); }), 8);
    EXPECT_EQ(error_under(*filter, [] { return ::syscall(SYS_sync); }), EPERM);
    for (const long call : {SYS_getuid, SYS_getgid, SYS_getegid})
        EXPECT_EQ(error_under(*filter, [&] { return ::syscall(call) < 0 ? -1 : 0; }), 0) << call;
    EXPECT_EQ(*filters.find(std::string(kNoSeccomp), "{}"), "");
}

TEST(SeccompTest, AWrongProfileNamesItsField) {
    const auto refusal = [](const char* profile) {
        const auto filter = seccomp_filter_of_profile(profile, {});
        return filter ? "none" : filter.error().message();
    };
    EXPECT_NE(refusal("[]").find("no JSON object"), std::string::npos);
    EXPECT_NE(refusal("{}").find("defaultAction"), std::string::npos);
    EXPECT_NE(refusal(R"({"defaultAction":"SCMP_ACT_NOTIFY"})").find("defaultAction"),
              std::string::npos);
    EXPECT_NE(refusal(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["x"]}]})")
                  .find("field syscalls: field action"),
              std::string::npos);
    EXPECT_NE(refusal(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["dup"],
                          "action":"SCMP_ACT_KILL","args":[{"index":9,"op":"SCMP_CMP_EQ"}]}]})")
                  .find("argument 9"),
              std::string::npos);
}

}  // namespace
}  // namespace hako::runtime
