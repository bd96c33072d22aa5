#include "cli/daemon.h"

#include <gtest/gtest.h>

#include "base/fd.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

using namespace std::chrono_literals;

// Serves what the CLI asks of a daemon that has just started.
constexpr std::string_view kFakeDaemon = R"(#!/usr/bin/python3
import http.server, os, socketserver, sys
run = sys.argv[sys.argv.index("--run") + 1]
class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self): return "unix"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Api-Version", "1.43")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")
print("fake daemon with", *sys.argv[1:], flush=True)
socketserver.UnixStreamServer(os.path.join(run, "docker.sock"), Handler).serve_forever()
)";

class DaemonTest : public testing::Test {
protected:
    void install(std::string_view script) { ASSERT_TRUE(write_file(paths_.program, script, 0755)); }
    ~DaemonTest() override { (void)stop_daemon(paths_, 5s); }

    TempDir folder_ = TempDir::create().value();
    DaemonPaths paths_{folder_.path() / "root", folder_.path() / "run", folder_.path() / "hakod"};
};

TEST_F(DaemonTest, StartsAndStops) {
    install(kFakeDaemon);
    EXPECT_EQ(daemon_pid(paths_).error().kind(), ErrorKind::unavailable);
    const auto started = start_daemon(paths_);
    ASSERT_TRUE(started) << started.error().message();
    const auto pid = daemon_pid(paths_);
    ASSERT_TRUE(pid) << pid.error().message();
    EXPECT_EQ(::getsid(*pid), *pid) << "it must not end with our terminal";
    EXPECT_NE(read_file(paths_.log()).value().find("--root " + paths_.root.string()),
              std::string::npos);
    EXPECT_TRUE(stop_daemon(paths_));
    EXPECT_EQ(stop_daemon(paths_).error().kind(), ErrorKind::unavailable);
}

TEST_F(DaemonTest, IsStartedBySessionsThatNameNoHost) {
    install(kFakeDaemon);
    ::unsetenv("HAKO_HOST");
    ::unsetenv("DOCKER_HOST");
    Session session({}, paths_);
    const auto api = session.api();
    ASSERT_TRUE(api) << api.error().message();
    EXPECT_EQ((*api)->version(), "1.43");
}

TEST_F(DaemonTest, ReportsTheLogOfOneThatEnds) {
    install("#!/bin/sh\necho 'no room for a database' >&2\nexit 4\n");
    const auto started = start_daemon(paths_);
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message().find("no room for a database"), std::string::npos);
}

TEST_F(DaemonTest, GivesUpOnOneThatHangs) {
    install("#!/bin/sh\nexec sleep 60\n");
    const auto started = start_daemon(paths_, 300ms);
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().kind(), ErrorKind::deadline);
}

TEST_F(DaemonTest, SaysWhenTheProgramIsMissing) {
    const auto started = start_daemon(paths_);
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message().find("hakod"), std::string::npos);
}

TEST_F(DaemonTest, StopsNothingThatIsNoHakod) {
    ASSERT_TRUE(make_folders(paths_.run));
    const auto listener = listen_unix(paths_.socket(), 0600);
    ASSERT_TRUE(listener);
    EXPECT_EQ(stop_daemon(paths_).error().kind(), ErrorKind::conflict);
}

TEST(HostChoice, FollowsFlagsThenTheEnvironment) {
    const DaemonPaths paths{"/r", "/run/x", {}};
    ::unsetenv("HAKO_HOST");
    ::unsetenv("HAKO_RUN");
    ::setenv("DOCKER_HOST", "tcp://127.0.0.1:3", 1);
    EXPECT_EQ(choose_host({}, paths)->endpoint.port, 3);
    ::setenv("HAKO_HOST", "tcp://127.0.0.1:2", 1);
    EXPECT_EQ(choose_host({}, paths)->endpoint.port, 2);
    const auto flag = choose_host({"unix:///other"}, paths);
    EXPECT_EQ(flag->endpoint.path, "/other");
    EXPECT_FALSE(flag->own);
    EXPECT_FALSE(choose_host({"unix:///run/x/docker.sock"}, paths)->own) << "it was named";
    EXPECT_FALSE(choose_host({"unix:///a", "unix:///b"}, paths));
    EXPECT_FALSE(choose_host({"ftp://x"}, paths));
    ::unsetenv("HAKO_HOST");
    ::unsetenv("DOCKER_HOST");
    EXPECT_EQ(choose_host({}, paths)->endpoint.path, "/run/x/docker.sock");
    EXPECT_TRUE(choose_host({}, paths)->own);
}

TEST(Version, ComparesByNumber) {
    EXPECT_LT(compare_versions("1.9", "1.41"), 0);
    EXPECT_EQ(compare_versions("1.41", "1.41"), 0);
    EXPECT_GT(compare_versions("2.0", "1.50"), 0);
}

}  // namespace
}  // namespace hako::cli
