// A network namespace of a test's own: nothing runs in the machine's.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/process.h"

namespace hako::network {

// Servers and probes are small Python programs: what Debian's base has differs too much.
inline std::string python(const std::string& program) {
    return fmt::format("exec /usr/bin/python3 -c '{}'", program);
}

// The test's thread, and what it starts, live in a new namespace whose loopback is up.
class NamespaceTest : public ::testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root, for a network namespace";
        before_ = open_file("/proc/thread-self/ns/net", O_RDONLY).value();
        if (::unshare(CLONE_NEWNET) != 0)
            GTEST_SKIP() << "needs unshare(CLONE_NEWNET): " << errno_text(errno);
        sh("ip link set lo up");
    }
    void TearDown() override {
        if (before_) ::setns(before_.get(), CLONE_NEWNET);
    }

    // Runs a shell line in the namespace; what it printed. A line that fails fails the test.
    static std::string sh(const std::string& line) {
        const auto output = run({{"/bin/sh", "-ec", line}}, std::chrono::seconds(60)).value();
        EXPECT_TRUE(output.status.success()) << line << "\n" << output.out << output.err;
        return output.out;
    }
    static bool works(const std::string& line) {
        const auto output = run({{"/bin/sh", "-ec", line}}, std::chrono::seconds(60));
        return output && output->status.success();
    }

private:
    Fd before_;
};

// A host of its own in another network namespace, joined to ours by a veth pair whose end here has
// the given name. Goes with the object.
class Neighbour {
public:
    // shell: what sets up its eth0, such as "ip addr add 10.0.0.2/24 dev eth0".
    Neighbour(const std::string& link, const std::string& shell)
        : process_(spawn({{"unshare", "-n", "sleep", "600"}}).value()) {
        const auto ours = std::filesystem::read_symlink("/proc/thread-self/ns/net");
        const std::string path = fmt::format("/proc/{}/ns/net", process_.pid());
        std::error_code ignored;
        while (std::filesystem::read_symlink(path, ignored) == ours)
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        const auto made = run({{"/bin/sh", "-ec",
                                fmt::format("ip link add {} type veth peer name eth0 netns {};"
                                            "ip link set {} up",
                                            link, process_.pid(), link)}},
                              std::chrono::seconds(20));
        EXPECT_TRUE(made && made->status.success()) << made->err;
        for (const std::string& line :
             {std::string("ip link set lo up; sysctl -qw net.ipv6.conf.eth0.accept_dad=0"), shell,
              std::string("ip link set eth0 up")})
            EXPECT_TRUE(works(line)) << line;
    }

    bool works(const std::string& line) const { return exec(line).status.success(); }
    std::string sh(const std::string& line) const { return exec(line).out; }
    Process start(const std::string& line) const { return spawn(inside(line)).value(); }

private:
    Command inside(const std::string& line) const {
        return {{"nsenter", fmt::format("--net=/proc/{}/ns/net", process_.pid()), "/bin/sh", "-ec",
                 line}};
    }
    CommandOutput exec(const std::string& line) const {
        return run(inside(line), std::chrono::seconds(60)).value();
    }

    Process process_;
};

}  // namespace hako::network
