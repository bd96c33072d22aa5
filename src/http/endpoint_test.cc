#include "http/endpoint.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include <gtest/gtest.h>

namespace hako::http {
namespace {

TEST(Endpoint, ParsesBothKinds) {
    const auto unix_endpoint = Endpoint::parse("unix:///run/x.sock");
    ASSERT_TRUE(unix_endpoint);
    EXPECT_TRUE(unix_endpoint->is_unix());
    EXPECT_EQ(unix_endpoint->path, "/run/x.sock");
    for (const char* text : {"tcp://127.0.0.1:2375", "tcp://[::1]:80", "tcp://localhost:1"})
        EXPECT_EQ(Endpoint::parse(text).value().to_string(), text);
    EXPECT_EQ(Endpoint::parse("tcp://[::1]:80/").value().host, "::1");
    EXPECT_EQ(Endpoint::parse("tcp://[::1]:80").value().port, 80);
}

TEST(Endpoint, RefusesOthers) {
    for (const char* bad : {"", "unix://", "unix://relative", "tcp://", "tcp://host", "tcp://:80",
                            "tcp://host:", "tcp://host:70000", "tcp://host:8x", "http://host:80"})
        EXPECT_EQ(Endpoint::parse(bad).error().kind(), ErrorKind::invalid) << bad;
}

TEST(Endpoint, ReplacesAStaleSocketOnly) {
    const auto folder = TempDir::create().value();
    const auto endpoint = Endpoint::unix_socket(folder.path() / "s");
    {
        const auto first = listen(endpoint, 0600);
        ASSERT_TRUE(first);
        struct stat status {};
        ASSERT_EQ(::stat(endpoint.path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, 0600U);
        EXPECT_EQ(listen(endpoint).error().kind(), ErrorKind::conflict);
    }
    // Its owner is gone now, the file is not.
    EXPECT_TRUE(listen(endpoint));

    const auto file = Endpoint::unix_socket(folder.path() / "file");
    ASSERT_TRUE(write_file(file.path, "precious"));
    EXPECT_EQ(listen(file).error().kind(), ErrorKind::conflict);
    EXPECT_EQ(read_file(file.path).value(), "precious");
}

TEST(Endpoint, ListensOnLoopbackOnly) {
    const auto fd = listen({{}, "127.0.0.1", 0});
    ASSERT_TRUE(fd);
    EXPECT_GT(bound_port(fd->get()).value(), 0);
    EXPECT_EQ(listen({{}, "0.0.0.0", 0}).error().kind(), ErrorKind::forbidden);
}

TEST(Endpoint, SaysWhatToDoWhenNobodyListens) {
    const auto folder = TempDir::create().value();
    const auto error = connect(Endpoint::unix_socket(folder.path() / "none")).error();
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    EXPECT_NE(error.message().find("hako system start"), std::string::npos);
}

TEST(Endpoint, TakesOnlyOurSystemdSockets) {
    ::setenv("LISTEN_PID", "1", 1);
    ::setenv("LISTEN_FDS", "1", 1);
    EXPECT_TRUE(take_systemd_sockets().empty());
    EXPECT_EQ(::getenv("LISTEN_FDS"), nullptr);
    EXPECT_TRUE(take_systemd_sockets().empty());
}

}  // namespace
}  // namespace hako::http
