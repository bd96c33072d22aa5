// A network namespace of a test's own: nothing runs in the machine's.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>

#include "base/fd.h"
#include "base/process.h"

namespace hako::network {

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

}  // namespace hako::network
