#include "vmm/qemu/qmp.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/thread.h"

namespace hako::vmm {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kGreeting = R"({"QMP":{"version":{},"capabilities":[]}})";

// The other end of the socket: answers each line with what the script says.
class FakeQemu {
public:
    using Script = std::function<std::string(const Json& command)>;

    explicit FakeQemu(Script script) {
        auto pair = make_socket_pair();
        client_ = std::move(pair->first);
        server_ = std::move(pair->second);
        thread_ = start_thread("fake-qmp", [this, script = std::move(script)](auto) {
            (void)write_all(server_.get(), std::string(kGreeting) + "\r\n");
            std::string line;
            for (char c = 0; ::read(server_.get(), &c, 1) == 1;) {
                if (c != '\n') {
                    line += c;
                    continue;
                }
                const auto command = parse_json(line);
                line.clear();
                const auto answer = script(*command);
                if (answer == "close") break;
                if (!write_all(server_.get(), answer)) break;
            }
            server_.reset();
        });
    }
    Fd take_client() { return std::move(client_); }

private:
    Fd client_, server_;
    std::jthread thread_;
};

std::string ok(const Json& command, const Json& result = Json::object()) {
    return dump_json({{"return", result}, {"id", command["id"]}}) + "\r\n";
}

TEST(QmpTest, NegotiatesAndExecutes) {
    std::vector<std::string> seen;
    FakeQemu qemu([&](const Json& command) {
        seen.push_back(command["execute"]);
        return ok(command, command["execute"] == "query-status" ? Json{{"status", "running"}}
                                                                : Json::object());
    });
    const auto client = QmpClient::connect(qemu.take_client(), milliseconds(2000));
    ASSERT_TRUE(client) << client.error().message();
    const auto status = (*client)->query_status();
    ASSERT_TRUE(status);
    EXPECT_EQ(*status, "running");
    EXPECT_TRUE((*client)->stop());
    EXPECT_TRUE((*client)->cont());
    EXPECT_TRUE((*client)->system_powerdown());
    EXPECT_TRUE((*client)->quit());
    EXPECT_EQ(seen, (std::vector<std::string>{"qmp_capabilities", "query-status", "stop", "cont",
                                              "system_powerdown", "quit"}));
}

TEST(QmpTest, KeepsEventsThatComeBetween) {
    FakeQemu qemu([&](const Json& command) {
        return R"({"event":"SHUTDOWN","data":{"guest":true},"timestamp":{}})"
               "\n" +
               ok(command);
    });
    const auto client = QmpClient::connect(qemu.take_client(), milliseconds(2000));
    ASSERT_TRUE(client);
    ASSERT_TRUE((*client)->stop());
    const auto events = (*client)->take_events();
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 2U);
    EXPECT_EQ(events->front().name, "SHUTDOWN");
    EXPECT_EQ(events->front().data, (Json{{"guest", true}}));
    EXPECT_TRUE((*client)->take_events()->empty());
}

TEST(QmpTest, TellsWhyQemuRefused) {
    FakeQemu qemu([&](const Json& command) {
        if (command["execute"] == "qmp_capabilities") return ok(command);
        return dump_json({{"error", {{"class", "GenericError"}, {"desc", "no such thing"}}},
                          {"id", command["id"]}}) +
               "\n";
    });
    const auto client = QmpClient::connect(qemu.take_client(), milliseconds(2000));
    ASSERT_TRUE(client);
    const auto result = (*client)->execute("eject");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message(), "QEMU refused eject: no such thing");
}

TEST(QmpTest, SkipsTheLateAnswerOfACommandThatTimedOut) {
    std::string late;
    FakeQemu qemu([&](const Json& command) {
        if (command["execute"] == "stop") {
            late = ok(command);
            return std::string();
        }
        return std::exchange(late, {}) + ok(command, {{"status", "running"}});
    });
    const auto client = QmpClient::connect(qemu.take_client(), milliseconds(2000));
    ASSERT_TRUE(client);
    const auto stop = (*client)->execute("stop", {}, milliseconds(30));
    ASSERT_FALSE(stop);
    EXPECT_EQ(stop.error().kind(), ErrorKind::deadline);
    const auto status = (*client)->query_status();
    ASSERT_TRUE(status) << status.error().message();
    EXPECT_EQ(*status, "running");
}

TEST(QmpTest, ReportsAClosedSocket) {
    FakeQemu qemu([&](const Json& command) {
        return command["execute"] == "quit" ? std::string("close") : ok(command);
    });
    const auto client = QmpClient::connect(qemu.take_client(), milliseconds(2000));
    ASSERT_TRUE(client);
    const auto quit = (*client)->quit();
    ASSERT_FALSE(quit);
    EXPECT_EQ(quit.error().kind(), ErrorKind::unavailable);
}

TEST(QmpTest, RefusesEndlessLinesAndGarbage) {
    for (const auto& text : {std::string(2U << 20U, 'x'), std::string("garbage\n"),
                             std::string("[1]\n"), std::string("{\"hello\":1}\n")}) {
        auto pair = make_socket_pair();
        ASSERT_TRUE(pair);
        const auto writer =
            start_thread("writer", [&](auto) { (void)write_all(pair->second.get(), text); });
        EXPECT_FALSE(QmpClient::connect(std::move(pair->first), milliseconds(2000)));
    }
}

TEST(QmpTest, GivesUpOnAServerThatNeverGreets) {
    auto pair = make_socket_pair();
    ASSERT_TRUE(pair);
    const auto client = QmpClient::connect(std::move(pair->first), milliseconds(20));
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().kind(), ErrorKind::deadline);
}

}  // namespace
}  // namespace hako::vmm
