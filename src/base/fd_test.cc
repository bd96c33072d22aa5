#include "base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace hako {
namespace {

using namespace std::chrono_literals;

TEST(Fd, ClosesWhatItOwned) {
    int number = -1;
    {
        auto pair = make_pipe();
        number = pair->first.get();
        EXPECT_NE(::fcntl(number, F_GETFD) & FD_CLOEXEC, 0);
    }
    EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST(Files, RoundTripAndLimit) {
    auto folder = TempDir::create();
    const auto path = folder->path() / "file";
    ASSERT_TRUE(write_file(path, "hello", 0600));
    EXPECT_EQ(*read_file(path), "hello");
    EXPECT_EQ(read_file(path, 4).error().kind(), ErrorKind::too_large);
    EXPECT_EQ(read_file(folder->path() / "none").error().kind(), ErrorKind::not_found);
}

TEST(UnixSocket, ConnectsAndHasItsMode) {
    auto folder = TempDir::create();
    const auto path = folder->path() / "socket";
    auto listener = listen_unix(path, 0600);
    ASSERT_TRUE(listener);
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
    EXPECT_TRUE(connect_unix(path));
    EXPECT_EQ(listen_unix(folder->path() / std::string(200, 'x'), 0600).error().kind(),
              ErrorKind::invalid);
}

TEST(WaitReadable, TellsTimeOutFromData) {
    auto pair = make_pipe();
    EXPECT_FALSE(*wait_readable(pair->first.get(), 1ms));
    ASSERT_TRUE(write_all(pair->second.get(), "x"));
    EXPECT_TRUE(*wait_readable(pair->first.get(), {}));
}

TEST(TempDir, TakesAllBelowAlong) {
    std::filesystem::path path;
    {
        auto folder = TempDir::create();
        path = folder->path();
        ASSERT_TRUE(write_file(path / "file", ""));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace hako
