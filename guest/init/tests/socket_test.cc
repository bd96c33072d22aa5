// Sockets in a container whose other side is ours.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <thread>

#include "base/paths.h"
#include "init/tests/agent_fixture.h"

namespace hako::init {
namespace {

class SocketTest : public AgentTest {
protected:
    // A container whose first process sleeps.
    void run_box(std::vector<guest::Socket> sockets) {
        const auto created = agent().create_container(
            {kContainer, dump_json(container_spec()), {}, std::move(sockets)});
        ASSERT_TRUE(created) << created.error().message();
        const guest::ProcessId id{kContainer, kContainer};
        ASSERT_TRUE(agent().create_process({id, dump_json(process_spec({"sleep", "1000"}))}));
        const auto pid = agent().start_process(id);
        ASSERT_TRUE(pid);
        // Its root as we see it; some thread of vminitd's is its parent.
        const auto tasks = fmt::format("/proc/{}/task", agent_pid());
        for (const auto& task : std::filesystem::directory_iterator(tasks))
            if (const auto child = read_file(task.path() / "children").value_or(""); !child.empty())
                root_ = fmt::format("/proc/{}/root", std::stoi(child));
        ASSERT_FALSE(root_.empty());
    }
    std::string inside(const std::string& path) const { return root_ + path; }

    std::string root_;
};

std::string read_all(int socket) {
    std::string text;
    std::array<char, 4096> buffer{};
    while (true) {
        const auto count = ::recv(socket, buffer.data(), buffer.size(), 0);
        if (count <= 0) return text;
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

TEST_F(SocketTest, WhoConnectsInTheContainerReachesUs) {
    run_box({{"/run/our.sock", 12, 34, 0620}});
    EXPECT_EQ(output_of(process_spec({"stat", "-c", "%F %u:%g:%a", "/run/our.sock"}), "p"),
              "socket 12:34:620\n");
    for (const std::string question : {"first", "second"}) {
        auto call = agent().accept_socket(kContainer, "/run/our.sock");
        const auto client = connect_unix(inside("/run/our.sock"));
        ASSERT_TRUE(client) << client.error().message();
        const auto opened = call.open();
        ASSERT_TRUE(opened) << opened.error().message();
        auto ours = make_socket_pair();
        ASSERT_TRUE(ours);
        std::jthread relay([&] { call.relay(std::move(ours->second)); });
        ASSERT_TRUE(write_all(client->get(), question));
        ::shutdown(client->get(), SHUT_WR);
        EXPECT_EQ(read_all(ours->first.get()), question);
        EXPECT_TRUE(call.guest_ended());
        ASSERT_TRUE(write_all(ours->first.get(), "answer"));
        ours->first.reset();
        EXPECT_EQ(read_all(client->get()), "answer");
    }
}

TEST_F(SocketTest, WhoWaitsIsCancelledAndEndsWithTheContainer) {
    run_box({{"/run/our.sock"}});
    auto cancelled = agent().accept_socket(kContainer, "/run/our.sock");
    std::jthread waiter([&] { EXPECT_FALSE(cancelled.open()); });
    cancelled.cancel();
    waiter.join();
    auto waits = agent().accept_socket(kContainer, "/run/our.sock");
    std::jthread other([&] { EXPECT_FALSE(waits.open()); });
    ASSERT_TRUE(agent().signal({kContainer, kContainer}, SIGKILL));
    other.join();
    EXPECT_FALSE(agent().accept_socket(kContainer, "/no/such").open());
}

TEST_F(SocketTest, WeReachWhatListensInTheContainer) {
    run_box({});
    const auto refused = agent().connect_socket(kContainer, "/tmp/its.sock").open();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::not_found);
    const auto file = agent().connect_socket(kContainer, "/etc/passwd").open();
    ASSERT_FALSE(file);
    EXPECT_THAT(file.error().message(), testing::HasSubstr("/etc/passwd in the container is no"));

    const auto listener = listen_unix(inside("/tmp/its.sock"), 0600);
    ASSERT_TRUE(listener);
    auto call = agent().connect_socket(kContainer, "/tmp/its.sock");
    const auto opened = call.open();
    ASSERT_TRUE(opened) << opened.error().message();
    auto ours = make_socket_pair();
    ASSERT_TRUE(ours);
    std::jthread relay([&] { call.relay(std::move(ours->second)); });
    const Fd server(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
    const std::string large(1'000'000, 'x');
    std::jthread writer([&] {
        EXPECT_TRUE(write_all(ours->first.get(), large));
        ::shutdown(ours->first.get(), SHUT_WR);
    });
    EXPECT_TRUE(read_all(server.get()) == large);
    ASSERT_TRUE(write_all(server.get(), "done"));
    ::shutdown(server.get(), SHUT_WR);
    EXPECT_EQ(read_all(ours->first.get()), "done");
}

TEST_F(SocketTest, LinksDoNotLeadOutOfTheContainer) {
    run_box({});
    const auto outside = listen_unix(state() / "outside.sock", 0666);
    ASSERT_TRUE(outside);
    ASSERT_EQ(output_of(process_spec({"ln", "-s", state() / "outside.sock", "/tmp/link"}), "p"),
              "");
    EXPECT_FALSE(agent().connect_socket(kContainer, "/tmp/link").open());
}

}  // namespace
}  // namespace hako::init
