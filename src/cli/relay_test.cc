#include "cli/relay.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/socket.h>

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "cli/detach_keys.h"
#include "cli/terminal.h"
#include "cli/test_program.h"

namespace hako::cli {
namespace {

// A relay whose daemon is the test: the other end of its socket.
class RelayTest : public testing::Test {
protected:
    std::future<Result<RelayEnd>> start(RelayOptions options, int in, std::string received = {}) {
        options_ = std::move(options);
        io_ = program_.stdio(in);
        http::Upgraded connection{std::move(sockets_.first), std::move(received), {}};
        return std::async(std::launch::async, [this, c = std::move(connection)]() mutable {
            return relay(io_, std::move(c), signals_, options_);
        });
    }
    void send(std::string_view text) { ASSERT_TRUE(write_all(daemon(), text)); }
    int daemon() const { return sockets_.second.get(); }
    std::string receive_all() const {
        std::string all;
        std::vector<std::byte> piece(1 << 16);
        while (true) {
            const auto count = read_some(daemon(), piece);
            if (!count || *count == 0) return all;
            all += as_text(std::span(piece).first(*count));
        }
    }
    static RelayEnd::Kind kind(std::future<Result<RelayEnd>>& end) {
        const auto result = end.get();
        EXPECT_TRUE(result) << result.error().message();
        return result ? result->kind : RelayEnd::Kind::interrupted;
    }

    TestProgram program_;
    SignalWatch signals_ = SignalWatch::start(true).value();
    FdPair sockets_ = make_socket_pair().value();
    RelayOptions options_;
    Stdio io_;
};

TEST_F(RelayTest, SortsOutputWithoutLoss) {
    auto end = start({}, -1, frame(1, "early ").substr(0, 5));
    send(frame(1, "early ").substr(5) + frame(2, "error") + frame(1, "late"));
    sockets_.second.reset();
    EXPECT_EQ(kind(end), RelayEnd::Kind::closed);
    EXPECT_EQ(program_.out(), "early late");
    EXPECT_EQ(program_.err(), "error");
}

TEST_F(RelayTest, ShowsOnlyTheStreamsWanted) {
    auto end = start({.output = false}, -1);
    send(frame(1, "out") + frame(2, "error"));
    sockets_.second.reset();
    EXPECT_EQ(kind(end), RelayEnd::Kind::closed);
    EXPECT_EQ(program_.out(), "");
    EXPECT_EQ(program_.err(), "error");
}

TEST_F(RelayTest, SendsBinaryInputAndItsEnd) {
    std::string data;
    for (std::uint32_t i = 0; data.size() < (8U << 20U); i = i * 1664525 + 1013904223)
        data += static_cast<char>(i >> 24U);
    const auto path = program_.folder() / "in";
    ASSERT_TRUE(write_file(path, data));
    const auto in = open_file(path, O_RDONLY).value();
    // The daemon writes as much before it reads: neither direction may hold up the other.
    auto end = start({.input = true}, in.get());
    const std::string big(4U << 20U, 'x');
    send(frame(1, big));
    EXPECT_TRUE(receive_all() == data);
    send(frame(1, "done"));
    sockets_.second.reset();
    EXPECT_EQ(kind(end), RelayEnd::Kind::closed);
    EXPECT_TRUE(program_.out() == big + "done");
}

TEST_F(RelayTest, EndsTheInputAtOnceWhenNoneIsWanted) {
    auto end = start({}, -1);
    EXPECT_EQ(receive_all(), "");
    sockets_.second.reset();
    EXPECT_EQ(kind(end), RelayEnd::Kind::closed);
}

TEST_F(RelayTest, KeepsShowingOutputOfAContainerThatReadsNoMore) {
    const auto zero = open_file("/dev/zero", O_RDONLY).value();
    auto end = start({.input = true}, zero.get());
    ::shutdown(daemon(), SHUT_RD);
    send(frame(1, "still here"));
    ::shutdown(daemon(), SHUT_WR);
    EXPECT_EQ(kind(end), RelayEnd::Kind::closed);
    EXPECT_EQ(program_.out(), "still here");
}

TEST_F(RelayTest, ReportsADamagedStream) {
    auto end = start({}, -1);
    send("HTTP/1.1 500");
    EXPECT_FALSE(end.get());
}

TEST_F(RelayTest, ReportsACutStream) {
    auto end = start({}, -1);
    send(frame(1, "hello").substr(0, 9));
    sockets_.second.reset();
    const auto result = end.get();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::corrupt);
}

TEST_F(RelayTest, PassesATerminalsBytesUnchanged) {
    auto end = start({.tty = true}, -1);
    const std::string bytes("\x01\x00\x00\x00 raw \xff\r\n", 12);
    send(bytes);
    sockets_.second.reset();
    EXPECT_EQ(kind(end), RelayEnd::Kind::closed);
    EXPECT_EQ(program_.out(), bytes);
}

TEST_F(RelayTest, DetachesOnTheKeys) {
    auto typed = make_pipe().value();
    auto end = start(
        {.tty = true, .input = true, .detach_keys = parse_detach_keys(kDefaultDetachKeys).value()},
        typed.first.get());
    ASSERT_TRUE(write_all(typed.second.get(), "ls\n\x10"));
    ASSERT_TRUE(write_all(typed.second.get(), "\x11"));
    EXPECT_EQ(kind(end), RelayEnd::Kind::detached);
    EXPECT_EQ(receive_all(), "ls\n");
}

TEST_F(RelayTest, HandsSignalsOn) {
    std::vector<int> seen;
    std::promise<void> resized;
    auto end = start({.on_signal = [&](int signal) { seen.push_back(signal); },
                      .on_resize = [&] { resized.set_value(); }},
                     -1);
    ::kill(::getpid(), SIGUSR1);
    ::kill(::getpid(), SIGWINCH);
    resized.get_future().wait();
    for (int i = 0; i < 3; ++i) {
        ::kill(::getpid(), SIGINT);
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    const auto result = end.get();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->kind, RelayEnd::Kind::interrupted);
    EXPECT_EQ(result->signal, SIGINT);
    EXPECT_EQ(seen, (std::vector<int>{SIGUSR1, SIGINT, SIGINT, SIGINT}));
}

TEST_F(RelayTest, EndsBySignalWhenNobodyTakesIt) {
    auto end = start({.tty = true}, -1);
    ::kill(::getpid(), SIGTERM);
    const auto result = end.get();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->kind, RelayEnd::Kind::interrupted);
    EXPECT_EQ(result->signal, SIGTERM);
}

TEST(RawMode, IsLeftAgain) {
    int master = -1;
    int slave = -1;
    winsize size{.ws_row = 40, .ws_col = 132, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
    const Fd ours(master);
    const Fd theirs(slave);
    EXPECT_EQ(window_size(slave), (WindowSize{132, 40}));
    termios before{};
    ASSERT_EQ(::tcgetattr(slave, &before), 0);
    {
        auto raw = RawMode::enter(slave);
        ASSERT_TRUE(raw);
        termios during{};
        ::tcgetattr(slave, &during);
        EXPECT_EQ(during.c_lflag & (ICANON | ECHO | ISIG), 0U);
        const auto moved = *std::move(raw);
    }
    termios after{};
    ::tcgetattr(slave, &after);
    EXPECT_EQ(after.c_lflag, before.c_lflag);
    EXPECT_EQ(after.c_iflag, before.c_iflag);
    EXPECT_EQ(after.c_oflag, before.c_oflag);
}

TEST(RawMode, NeedsATerminal) {
    const auto null = open_file("/dev/null", O_RDWR).value();
    EXPECT_FALSE(RawMode::enter(null.get()));
    EXPECT_FALSE(window_size(null.get()));
    EXPECT_EQ(columns_of(null.get()), kDefaultColumns);
}

}  // namespace
}  // namespace hako::cli
