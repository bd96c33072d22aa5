#include "guest/socket_relay.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <fstream>
#include <thread>

#include "base/guarded.h"
#include "base/units.h"

namespace hako::guest {
namespace {

using agent::v1::SocketData;

// One direction of a call, which holds as little as a stream's window does.
class Channel {
public:
    bool write(const SocketData& message) {
        auto state = state_.lock();
        changed_.wait(state.lock(), [&] { return state->closed || state->queue.size() < kRoom; });
        if (state->closed) return false;
        state->queue.push_back(message);
        changed_.notify_all();
        return true;
    }
    bool read(SocketData& message) {
        auto state = state_.lock();
        changed_.wait(state.lock(), [&] { return state->closed || !state->queue.empty(); });
        if (state->queue.empty()) return false;
        message = std::move(state->queue.front());
        state->queue.pop_front();
        changed_.notify_all();
        return true;
    }
    void close() {
        state_.lock()->closed = true;
        changed_.notify_all();
    }
    std::size_t held() const { return state_.lock()->queue.size(); }

private:
    static constexpr std::size_t kRoom = 4;
    struct State {
        std::deque<SocketData> queue;
        bool closed = false;
    };
    Guarded<State> state_;
    std::condition_variable changed_;
};

// A host and a guest, joined by a call: ends[0] and ends[1] are what their clients hold.
class RelayTest : public testing::Test {
protected:
    void SetUp() override {
        auto host = make_socket_pair(), guest = make_socket_pair();
        ASSERT_TRUE(host && guest);
        ends_[0] = std::move(host->first);
        ends_[1] = std::move(guest->first);
        // As gRPC: the host's done() ends what it writes, the guest's return ends the rest.
        host_ = std::jthread([this, socket = std::move(host->second)] {
            relay_socket(socket.get(), {[&](auto& message) { return to_host_.read(message); },
                                        [&](auto& message) { return to_guest_.write(message); },
                                        [&] { to_guest_.close(); }});
        });
        guest_ = std::jthread([this, socket = std::move(guest->second)] {
            relay_socket(socket.get(),
                         {[&](auto& message) { return to_guest_.read(message); },
                          [&](auto& message) { return to_host_.write(message); }, [] {}});
            to_host_.close();
        });
    }
    void TearDown() override {
        for (auto& end : ends_) end.reset();
    }

    std::string read_all(int end) const {
        std::string text;
        std::array<char, 4096> buffer{};
        while (true) {
            const auto count = ::recv(ends_[end].get(), buffer.data(), buffer.size(), 0);
            if (count <= 0) return text;
            text.append(buffer.data(), static_cast<std::size_t>(count));
        }
    }
    void write(int end, std::string_view text) const {
        ASSERT_TRUE(write_all(ends_[end].get(), text));
    }
    void end_output(int end) const { ::shutdown(ends_[end].get(), SHUT_WR); }

    Fd ends_[2];
    Channel to_host_, to_guest_;
    std::jthread host_, guest_;  // they end by themselves
};

std::string numbers(std::size_t bytes) {
    std::string text;
    for (std::size_t i = 0; text.size() < bytes; ++i) text += std::to_string(i) + ' ';
    return text;
}

TEST_F(RelayTest, BytesArriveAsTheyWereBothWaysAtOnce) {
    const auto up = numbers(3 * kMiB), down = "x" + numbers(2 * kMiB);
    std::jthread writer([&] {
        write(0, up);
        end_output(0);
    });
    std::jthread other([&] {
        write(1, down);
        end_output(1);
    });
    std::string at_host;
    std::jthread reader([&] { at_host = read_all(0); });
    EXPECT_TRUE(read_all(1) == up);
    reader.join();
    EXPECT_TRUE(at_host == down);
}

TEST_F(RelayTest, OneDirectionEndsWithoutTheOther) {
    write(0, "question");
    end_output(0);
    EXPECT_EQ(read_all(1), "question");  // up to the end
    write(1, "answer");
    end_output(1);
    EXPECT_EQ(read_all(0), "answer");
    host_.join();
    guest_.join();
}

TEST_F(RelayTest, WhoIsGoneStopsTheOtherSide) {
    write(0, "last words");
    ends_[0].reset();
    EXPECT_EQ(read_all(1), "last words");
    // As from a pipe that nobody reads any more.
    const std::string piece(64 * kKiB, 'x');
    ssize_t sent = 0;
    while (sent >= 0) sent = ::send(ends_[1].get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    EXPECT_EQ(errno, EPIPE);
    ends_[1].reset();
    host_.join();
    guest_.join();
}

TEST_F(RelayTest, WhoReadsNothingHoldsUpTheWriter) {
    const std::string piece(64 * kKiB, 'x');
    std::size_t sent = 0;
    ASSERT_TRUE(set_nonblocking(ends_[0].get(), true));
    // Until nothing has gone for a while, though never more than this.
    for (int idle = 0; idle < 20 && sent < 64 * kMiB;) {
        const auto count = ::send(ends_[0].get(), piece.data(), piece.size(), MSG_NOSIGNAL);
        if (count > 0) {
            sent += static_cast<std::size_t>(count);
            idle = 0;
        } else {
            ++idle;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }
    EXPECT_LT(sent, 8 * kMiB);
    end_output(0);
    EXPECT_EQ(read_all(1).size(), sent);
}

TEST_F(RelayTest, BothMayStopAtOnce) {
    // Both write what nobody reads, and go.
    for (int end : {0, 1}) {
        ASSERT_TRUE(set_nonblocking(ends_[end].get(), true));
        const std::string piece(256 * kKiB, 'x');
        for (int i = 0; i < 50; ++i)
            (void)::send(ends_[end].get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    }
    ends_[0].reset();
    ends_[1].reset();
    host_.join();
    guest_.join();
}

TEST_F(RelayTest, TheEndOfTheCallEndsBoth) {
    to_host_.close();
    to_guest_.close();
    EXPECT_EQ(read_all(0), "");
    EXPECT_EQ(read_all(1), "");
    host_.join();
    guest_.join();
}

TEST(RelayedSocket, WhoSpeaksToNobodySeesTheEnd) {
    auto sockets = make_socket_pair();
    ASSERT_TRUE(sockets);
    ASSERT_TRUE(write_all(sockets->first.get(), "lost"));
    relay_socket(sockets->second.get(),
                 {[](auto&) { return false; }, [](auto&) { return false; }, [] {}});
    sockets->second.reset();
    char none = 0;
    EXPECT_EQ(::recv(sockets->first.get(), &none, 1, 0), 0) << std::strerror(errno);
}

TEST(RelayedSocket, ThoseWhoWaitAreTakenAfterTheEnd) {
    auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    const auto path = folder->path() / "s";
    auto listener = listen_unix(path, 0600);
    ASSERT_TRUE(listener && set_nonblocking(listener->get(), true));
    auto ended = make_pipe();
    ASSERT_TRUE(ended);
    const auto client = connect_unix(path);
    ASSERT_TRUE(client);
    ended->second.reset();
    const auto never = [] { return false; };
    EXPECT_TRUE(accept_relayed(listener->get(), ended->first.get(), never));
    const auto none = accept_relayed(listener->get(), ended->first.get(), never);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind(), ErrorKind::cancelled);
}

}  // namespace
}  // namespace hako::guest
