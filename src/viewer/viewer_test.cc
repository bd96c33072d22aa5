#include "viewer/viewer.h"

#include <sys/socket.h>

#include <array>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "base/json.h"
#include "http/client.h"
#include "http/server.h"

namespace hako::viewer {
namespace {

using namespace std::chrono_literals;

class FakeMachine : public Machine {
public:
    explicit FakeMachine(std::filesystem::path vnc) : vnc_(std::move(vnc)) {}
    Result<macos::Progress> progress() const override {
        return macos::Progress{.stage = macos::Stage::downloading, .title = "macOS 14"};
    }
    Result<Fd> screen() const override { return http::connect(http::Endpoint::unix_socket(vnc_)); }
    bool has_sound() const override { return true; }
    std::string starter() const override { return "docker start mac"; }
    Result<void> power(std::string_view action) override {
        asked = action;
        return {};
    }
    std::string asked;

private:
    std::filesystem::path vnc_;
};

class ViewerTest : public testing::Test {
protected:
    ViewerTest() {
        std::filesystem::create_directory(folder_.path() / "web");
        EXPECT_TRUE(write_file(folder_.path() / "web" / "index.html", "<p>page"));
        std::vector<Fd> listeners;
        listeners.push_back(http::listen(endpoint_).value());
        server_ = http::Server::start(std::move(listeners),
                                      make_viewer(machine_, access_, folder_.path() / "web"))
                      .value();
    }
    http::ClientResponse send(std::string method, std::string target, http::Fields headers = {},
                              std::string body = {}) const {
        return http::Client(endpoint_)
            .send({.method = std::move(method),
                   .target = std::move(target),
                   .headers = std::move(headers),
                   .body = std::move(body)})
            .value();
    }
    http::ClientResponse login(const std::string& password) const {
        return send("POST", "/login", {}, dump_json({{"password", password}}));
    }
    // The cookie as a browser sends it back.
    std::string cookie() const {
        const auto response = login("secret");
        EXPECT_EQ(response.status, 204) << response.body;
        const std::string set(response.headers.find("Set-Cookie").value_or(""));
        EXPECT_NE(set.find("HttpOnly; SameSite=Strict"), std::string::npos);
        return set.substr(0, set.find(';'));
    }
    Fd open_screen(const std::string& headers, std::string_view path = "/screen") const {
        Fd socket = http::connect(endpoint_).value();
        EXPECT_TRUE(write_all(socket.get(),
                              fmt::format("GET {}", path) +
                                  " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: "
                                  "websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                                  "dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                                  headers + "\r\n"));
        return socket;
    }
    static std::string read_until(int fd, std::string_view end) {
        std::string all;
        std::array<std::byte, 4096> piece;
        while (!all.ends_with(end) || end.empty()) {
            if (!wait_readable(fd, 5s).value_or(false)) break;
            const auto count = read_some(fd, piece);
            if (!count || *count == 0) break;
            all += as_text(std::span(piece).first(*count));
        }
        return all;
    }

    TempDir folder_ = TempDir::create().value();
    http::Endpoint endpoint_ = http::Endpoint::unix_socket(folder_.path() / "s");
    std::filesystem::path vnc_ = folder_.path() / "vnc";
    Fd vnc_listener_ = http::listen(http::Endpoint::unix_socket(vnc_)).value();
    FakeMachine machine_{vnc_};
    Access::Clock::time_point now_{};
    Access access_{"secret", [this] { return now_; }};
    std::unique_ptr<http::Server> server_;
};

TEST_F(ViewerTest, ThePageIsForEverybodyAndTheMachineIsNot) {
    const auto page = send("GET", "/");
    EXPECT_EQ(page.body, "<p>page");
    EXPECT_NE(page.headers.find("Content-Security-Policy")->find("frame-ancestors 'none'"),
              std::string_view::npos);
    EXPECT_EQ(send("GET", "/viewer.js").status, 404) << "not installed";
    EXPECT_EQ(send("GET", "/../s").status, 404);
    EXPECT_EQ(send("GET", "/progress").status, 401);
    EXPECT_EQ(send("GET", "/progress", {{"Cookie", "hako_viewer="}}).status, 401);
    EXPECT_EQ(send("POST", "/power?action=kill").status, 401);
    EXPECT_TRUE(
        read_until(open_screen("Connection: close\r\n").get(), "").starts_with("HTTP/1.1 401"));
    EXPECT_TRUE(machine_.asked.empty());

    EXPECT_EQ(login("Secret").status, 401);
    EXPECT_EQ(login("").status, 401);
    EXPECT_EQ(send("POST", "/login", {}, "nonsense").status, 400);
    const std::string own = cookie();
    const auto progress = send("GET", "/progress", {{"Cookie", "a=b; " + own}});
    EXPECT_EQ(parse_json(progress.body).value()["title"], "macOS 14");
    EXPECT_EQ(parse_json(progress.body).value()["starter"], "docker start mac");
    EXPECT_EQ(send("POST", "/power?action=stop", {{"Cookie", own}}).status, 204);
    EXPECT_EQ(machine_.asked, "stop");
}

TEST_F(ViewerTest, AThousandWrongPasswordsAreFew) {
    int looked_at = 0;
    for (int i = 0; i < 1000; ++i) looked_at += login(std::to_string(i)).status == 401;
    EXPECT_EQ(looked_at, Access::kTries);
    const auto refused = login("secret");
    EXPECT_EQ(refused.status, 429) << "the right one tells nothing either";
    EXPECT_EQ(refused.headers.find("Retry-After"), "10");
    now_ += Access::kRefill;
    EXPECT_EQ(login("secret").status, 204);
    EXPECT_EQ(login("wrong").status, 401);
    EXPECT_EQ(login("wrong").status, 429);
}

TEST_F(ViewerTest, SessionsAreBounded) {
    const std::string first = cookie();
    for (std::size_t i = 0; i < Access::kMaxSessions; ++i) cookie();
    EXPECT_EQ(send("GET", "/progress", {{"Cookie", first}}).status, 401);
}

TEST_F(ViewerTest, PagesOfOtherSitesAreRefused) {
    const std::string own = cookie();
    const http::Fields foreign{{"Cookie", own}, {"Origin", "http://evil.example"}};
    EXPECT_EQ(send("POST", "/power?action=kill", foreign).status, 403);
    EXPECT_EQ(send("POST", "/login", foreign, R"({"password":"secret"})").status, 403);
    EXPECT_TRUE(machine_.asked.empty());
    const Fd socket =
        open_screen("Cookie: " + own + "\r\nOrigin: http://evil.example\r\nConnection: close\r\n");
    EXPECT_TRUE(read_until(socket.get(), "").starts_with("HTTP/1.1 403"));
}

TEST_F(ViewerTest, TheScreenGoesBothWays) {
    const Fd socket = open_screen("Cookie: " + cookie() + "\r\nSec-WebSocket-Protocol: binary\r\n");
    const Fd vnc(::accept4(vnc_listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(write_all(vnc.get(), "RFB 003.008\n"));
    const std::string head = read_until(socket.get(), "RFB 003.008\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 101")) << head;
    ASSERT_TRUE(write_all(socket.get(), std::string_view("\x82\x83\0\0\0\0abc", 9)));
    EXPECT_EQ(read_until(vnc.get(), "abc"), "abc");
    ::shutdown(vnc.get(), SHUT_RDWR);
    EXPECT_EQ(read_until(socket.get(), ""), "\x88\x02\x03\xe8") << "a good-bye";
}

TEST_F(ViewerTest, TheSoundIsAskedForAndCarried) {
    EXPECT_TRUE(read_until(open_screen("Connection: close\r\n", "/sound").get(), "")
                    .starts_with("HTTP/1.1 401"));
    const Fd socket = open_screen("Cookie: " + cookie() + "\r\n", "/sound");
    EXPECT_TRUE(read_until(socket.get(), "\r\n\r\n").starts_with("HTTP/1.1 101"));
    const Fd vnc(::accept4(vnc_listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const auto say = [&](std::string_view words) { ASSERT_TRUE(write_all(vnc.get(), words)); };
    say("RFB 003.008\n");
    EXPECT_EQ(read_until(vnc.get(), "\n"), "RFB 003.008\n");
    say("\x02\x02\x01");  // two ways in
    EXPECT_EQ(read_until(vnc.get(), "\x01"), "\x01");
    say(std::string(4, '\0'));
    EXPECT_EQ(read_until(vnc.get(), "\x01"), "\x01");
    say(std::string(23, '\0') + "\x03mac");
    const std::string wanted("\x02\0\0\x01\xff\xff\xfe\xfd", 8);
    EXPECT_EQ(read_until(vnc.get(), wanted), wanted);

    // What a screen may say as well: a bell, a clipboard, a palette.
    say(std::string_view("\x02\x03\0\0\0\0\0\0\x02hi\x01\0\0\0\0\x01rrggbb", 23));
    say(std::string_view("\0\0\0\x01\0\0\0\0\0\x40\0\x30\xff\xff\xfe\xfd", 16));
    const std::string format("\xff\x01\0\x02\x03\x02\0\0\xbb\x80\xff\x01\0\0", 14);
    EXPECT_EQ(read_until(vnc.get(), format), format);
    say(std::string_view("\xff\x01\0\x01", 4));  // it begins
    say(
        std::string_view("\xff\x01\0\x02\0\0\0\x06"
                         "abcdef",
                         14));
    EXPECT_EQ(read_until(socket.get(), "abcd"),
              "\x82\x04"
              "abcd")
        << "whole frames";
    say(
        std::string_view("\xff\x01\0\x02\0\0\0\x04"
                         "wxyz",
                         12));
    EXPECT_EQ(read_until(socket.get(), "wxyz"),
              "\x82\x04"
              "wxyz");
    say("nonsense");
    EXPECT_EQ(read_until(socket.get(), ""), "\x88\x02\x03\xe8") << "a good-bye";
    EXPECT_EQ(read_until(vnc.get(), ""), "") << "and the screen is left";
}

TEST_F(ViewerTest, WhoListensNoMoreLeavesTheScreen) {
    std::optional<Fd> socket = open_screen("Cookie: " + cookie() + "\r\n", "/sound");
    const Fd vnc(::accept4(vnc_listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    socket.reset();
    EXPECT_EQ(read_until(vnc.get(), ""), "");
    EXPECT_EQ(parse_json(send("GET", "/progress", {{"Cookie", cookie()}}).body).value()["sound"],
              true);
}

TEST_F(ViewerTest, SoManyScreensAndNoMore) {
    const std::string headers = "Cookie: " + cookie() + "\r\n";
    std::vector<Fd> sockets;
    for (int i = 0; i < kMaxScreens; ++i) {
        sockets.push_back(open_screen(headers));
        read_until(sockets.back().get(), "\r\n\r\n");
    }
    EXPECT_TRUE(read_until(open_screen(headers + "Connection: close\r\n").get(), "")
                    .starts_with("HTTP/1.1 503"));
    sockets.clear();
    for (int i = 0; i < 500 && server_->connections() > 0; ++i) std::this_thread::sleep_for(10ms);
    const Fd again = open_screen(headers);
    EXPECT_TRUE(read_until(again.get(), "\r\n\r\n").starts_with("HTTP/1.1 101"));
}

TEST(Password, IsLongAndNeverTheSame) {
    const std::string password = generate_password();
    EXPECT_EQ(password.size(), 19U);
    EXPECT_EQ(password.find_first_not_of("abcdefghijkmnpqrstuvwxyz23456789-"), std::string::npos);
    EXPECT_NE(password, generate_password());
}

}  // namespace
}  // namespace hako::viewer
