// The DNS server, asked through sockets, with resolvers that the test plays.
#include "network/dns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/thread.h"
#include "network/dns_test_packets.h"
#include "network/sockets.h"
#include "network/test_namespace.h"

namespace hako::network {
namespace {

using namespace dns;
using ::testing::ElementsAre;
using ::testing::SizeIs;

const Address gateway = Address::v4(127, 0, 1, 1);
const Address web = Address::v4(127, 0, 1, 2);
const Address resolver = Address::v4(127, 0, 9, 9);

Packet ask_udp(const Packet& packet, const Address& server = gateway) {
    const Fd socket = connect_socket(Protocol::udp, {server, 53}).value();
    EXPECT_EQ(::send(socket.get(), packet.data(), packet.size(), 0), ssize_t(packet.size()));
    Packet reply(65536);
    EXPECT_TRUE(wait_readable(socket.get(), std::chrono::seconds(20)).value());
    const ssize_t size = ::recv(socket.get(), reply.data(), reply.size(), 0);
    reply.resize(std::size_t(std::max<ssize_t>(size, 0)));
    return reply;
}
Packet ask_udp(std::string_view name, std::uint16_t type = type_a) {
    return ask_udp(question(name, type));
}

Packet ask_tcp(const Packet& packet) {
    const Fd socket = connect_socket(Protocol::tcp, {gateway, 53}).value();
    EXPECT_TRUE(set_nonblocking(socket.get(), false));
    const std::array<std::byte, 2> length{static_cast<std::byte>(packet.size() >> 8U),
                                          static_cast<std::byte>(packet.size())};
    EXPECT_TRUE(write_all(socket.get(), length));
    EXPECT_TRUE(write_all(socket.get(), packet));
    std::array<std::byte, 2> size{};
    EXPECT_EQ(read_full(socket.get(), size).value(), 2U);
    Packet reply(std::to_integer<std::size_t>(size[0]) << 8U |
                 std::to_integer<std::size_t>(size[1]));
    EXPECT_EQ(read_full(socket.get(), reply).value(), reply.size());
    return reply;
}

Code code_of(const Packet& reply) {
    return static_cast<Code>(std::to_integer<unsigned>(reply.at(3)) & 0xfU);
}
bool truncated(const Packet& reply) { return (std::to_integer<unsigned>(reply.at(2)) & 2U) != 0; }

// Answers every question with 10.0.0.N, N being how many it has had; "many" with 100 addresses.
class Upstream {
public:
    explicit Upstream(const Address& where = resolver, std::uint32_t ttl = 60)
        : socket_(bind_socket(Protocol::udp, {where, 53}).value()),
          listener_(bind_socket(Protocol::tcp, {where, 53}).value()) {
        udp_ = start_thread("upstream", [this, ttl](const std::stop_token& stop) {
            Packet buffer(65536);
            while (!stop.stop_requested()) {
                if (!wait_readable(socket_.get(), std::chrono::milliseconds(20)).value()) continue;
                const auto datagram = receive_datagram(socket_.get(), buffer);
                if (!datagram) continue;
                const auto query = read_query(std::span(buffer).first(datagram->size)).query;
                ++asked_;
                send_datagram(socket_.get(), datagram->from, datagram->to, reply(*query, ttl, 512));
            }
        });
        tcp_ = start_thread("upstream", [this, ttl](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                if (!wait_readable(listener_.get(), std::chrono::milliseconds(20)).value())
                    continue;
                const Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
                std::array<std::byte, 2> length{};
                if (read_full(client.get(), length).value_or(0) != 2) continue;
                Packet packet(std::to_integer<std::size_t>(length[1]));
                if (!read_full(client.get(), packet)) continue;
                ++asked_;
                const Packet answer = reply(*read_query(packet).query, ttl, 65535);
                length = {static_cast<std::byte>(answer.size() >> 8U),
                          static_cast<std::byte>(answer.size())};
                EXPECT_TRUE(write_all(client.get(), length));
                EXPECT_TRUE(write_all(client.get(), answer));
            }
        });
    }
    int asked() const { return asked_; }

private:
    Packet reply(const Query& query, std::uint32_t ttl, std::size_t limit) const {
        const Address address = Address::v4(10, 0, 0, static_cast<std::uint8_t>(asked_));
        const std::vector<Answer> answers(query.name == "many" ? 100 : 1,
                                          address_answer(address, ttl));
        return write_reply(query, query.name == "broken" ? Code::server_failure : Code::no_error,
                           query.name == "broken" ? std::vector<Answer>() : answers, limit);
    }

    Fd socket_;
    Fd listener_;
    std::atomic<int> asked_ = 0;
    std::jthread udp_;
    std::jthread tcp_;
};

class Dns : public NamespaceTest {
protected:
    void SetUp() override {
        NamespaceTest::SetUp();
        if (IsSkipped()) return;
        folder_.emplace(TempDir::create().value());
        set_resolvers("nameserver 127.0.9.9\n");
        server_ = start_dns({.resolv_conf = folder_->path() / "resolv.conf",
                             .systemd_resolv_conf = folder_->path() / "none",
                             .upstream_timeout = std::chrono::milliseconds(200)})
                      .value();
        ASSERT_TRUE(server_->set(table()));
    }
    void set_resolvers(std::string_view text) {
        ASSERT_TRUE(write_file(folder_->path() / "resolv.conf", text));
    }
    static NameTable table() {
        NamedNetwork network{{gateway}};
        network.hosts = {{"c1", {"web", "my.web"}, {web, Address::parse("fd00::2").value()}},
                         {"c2", {"app"}, {Address::v4(127, 0, 1, 3)}}};
        return {{"n", network}};
    }

    std::optional<TempDir> folder_;
    std::unique_ptr<Names> server_;
};

TEST_F(Dns, AnswersOurNamesByUdpAndTcp) {
    EXPECT_THAT(addresses_in(ask_udp("WEB")), ElementsAre(web));
    EXPECT_THAT(addresses_in(ask_udp("my.web")), ElementsAre(web));
    EXPECT_THAT(addresses_in(ask_udp("web", type_aaaa)),
                ElementsAre(Address::parse("fd00::2").value()));
    EXPECT_THAT(addresses_in(ask_tcp(question("web", type_a))), ElementsAre(web));
    EXPECT_THAT(addresses_in(ask_udp("host.docker.internal")), ElementsAre(gateway));
    // There is such a name, but it has no such address.
    const Packet none = ask_udp("app", type_aaaa);
    EXPECT_EQ(code_of(none), Code::no_error);
    EXPECT_THAT(addresses_in(none), SizeIs(0));
    EXPECT_THAT(std::string(as_text(ask_udp("2.1.0.127.in-addr.arpa", type_ptr))),
                ::testing::HasSubstr("\3web"));
}

TEST_F(Dns, ANewTableIsAnsweredAtOnceAndOldGatewaysAreFree) {
    NameTable next;
    next["n"] = {{gateway}, {{"c1", {"web"}, {Address::v4(127, 0, 1, 77)}}}};
    next["m"] = {{Address::v4(127, 0, 2, 1)}, {}};
    ASSERT_TRUE(server_->set(next));
    EXPECT_THAT(addresses_in(ask_udp("web")), ElementsAre(Address::v4(127, 0, 1, 77)));
    EXPECT_FALSE(bind_socket(Protocol::udp, {Address::v4(127, 0, 2, 1), 53}));
    next.erase("m");
    ASSERT_TRUE(server_->set(next));
    const auto mine = bind_socket(Protocol::udp, {Address::v4(127, 0, 2, 1), 53});
    ASSERT_TRUE(mine);
    next["m"] = {{Address::v4(127, 0, 2, 1)}, {}};
    const auto refused = server_->set(next);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("127.0.2.1:53"));
    EXPECT_THAT(addresses_in(ask_udp("web")), SizeIs(1));
}

TEST_F(Dns, ForwardsOtherNamesAndKeepsTheAnswers) {
    const Upstream upstream;
    EXPECT_THAT(addresses_in(ask_udp("example.org")), ElementsAre(Address::v4(10, 0, 0, 1)));
    EXPECT_THAT(addresses_in(ask_udp("Example.ORG")), ElementsAre(Address::v4(10, 0, 0, 1)));
    EXPECT_EQ(upstream.asked(), 1);
    EXPECT_THAT(addresses_in(ask_udp("example.net")), ElementsAre(Address::v4(10, 0, 0, 2)));
}

TEST_F(Dns, AskedByTcpItForwardsByTcp) {
    const Upstream upstream;
    const Packet cut = ask_udp("many");
    EXPECT_TRUE(truncated(cut));
    const Packet whole = ask_tcp(question("many", type_a));
    EXPECT_FALSE(truncated(whole));
    EXPECT_THAT(addresses_in(whole), SizeIs(100));
    // What is kept now is still too much for a datagram.
    EXPECT_TRUE(truncated(ask_udp("many")));
    EXPECT_EQ(upstream.asked(), 2);
}

TEST_F(Dns, AResolverThatIsSilentOrFailsIsPassedOver) {
    const Fd silent = bind_socket(Protocol::udp, {Address::v4(127, 0, 9, 1), 53}).value();
    const Upstream upstream;
    // .1 says nothing, .2 does not listen.
    set_resolvers("nameserver 127.0.9.1\nnameserver 127.0.9.2\nnameserver 127.0.9.9\n");
    EXPECT_THAT(addresses_in(ask_udp("example.org")), ElementsAre(Address::v4(10, 0, 0, 1)));
    EXPECT_EQ(code_of(ask_udp("broken")), Code::server_failure);
}

TEST_F(Dns, WithoutAnyResolverOutsideNamesFailAndOursWork) {
    EXPECT_EQ(code_of(ask_udp("example.org")), Code::server_failure);
    EXPECT_THAT(addresses_in(ask_udp("web")), ElementsAre(web));
    NameTable closed = table();
    closed["n"].forward = false;
    ASSERT_TRUE(server_->set(closed));
    EXPECT_EQ(code_of(ask_udp("example.org")), Code::name_error);
}

TEST_F(Dns, AContainersOwnResolversAreAsked) {
    const Upstream hosts;
    const Upstream own(Address::v4(127, 0, 9, 8));
    NameTable special = table();
    // The client's address is that of loopback.
    special["n"].hosts.push_back(
        {"c3", {"me"}, {Address::v4(127, 0, 0, 1)}, {Address::v4(127, 0, 9, 8)}});
    ASSERT_TRUE(server_->set(special));
    EXPECT_EQ(code_of(ask_udp("example.org")), Code::no_error);
    EXPECT_EQ(own.asked(), 1);
    EXPECT_EQ(hosts.asked(), 0);
}

TEST_F(Dns, HostilePacketsDoNoHarm) {
    const Fd socket = connect_socket(Protocol::udp, {gateway, 53}).value();
    const auto send = [&](const Packet& packet) {
        [[maybe_unused]] const auto sent = ::send(socket.get(), packet.data(), packet.size(), 0);
    };
    const Packet whole = question("web", type_a);
    for (std::size_t size = 0; size < whole.size(); ++size)
        send(Packet(whole.begin(), whole.begin() + std::ptrdiff_t(size)));
    Packet loop = whole;
    loop[12] = std::byte{0xc0};
    loop[13] = std::byte{12};
    send(loop);
    send(Packet(65000, std::byte{0xff}));
    send(Packet(65000, std::byte{0}));
    EXPECT_THAT(addresses_in(ask_udp("web")), ElementsAre(web));
    EXPECT_EQ(code_of(ask_tcp(loop)), Code::format_error);
    EXPECT_EQ(code_of(ask_tcp(Packet(65535, std::byte{0}))), Code::format_error);
}

TEST_F(Dns, AFloodOfNamesLeavesOthersAnswered) {
    const Fd silent = bind_socket(Protocol::udp, {resolver, 53}).value();
    const Fd flood = connect_socket(Protocol::udp, {gateway, 53}).value();
    for (int i = 0; i < 10000; ++i) {
        const Packet packet = question(fmt::format("n{}.example", i), type_a);
        [[maybe_unused]] const auto sent = ::send(flood.get(), packet.data(), packet.size(), 0);
    }
    // By TCP: a datagram may be lost when the flood has filled the buffer, and is sent again then.
    for (int i = 0; i < 10; ++i)
        EXPECT_THAT(addresses_in(ask_tcp(question("web", type_a))), ElementsAre(web));
    EXPECT_THAT(addresses_in(ask_udp("web")), ElementsAre(web));
    // Open questions are bounded, and so are descriptors.
    int descriptors = 0;
    for ([[maybe_unused]] const auto& fd : std::filesystem::directory_iterator("/proc/self/fd"))
        ++descriptors;
    EXPECT_LT(descriptors, 400);
}

TEST_F(Dns, ManyConnectionsAreBounded) {
    std::vector<Fd> open;
    for (int i = 0; i < 400; ++i)
        open.push_back(connect_socket(Protocol::tcp, {gateway, 53}).value());
    EXPECT_THAT(addresses_in(ask_udp("web")), ElementsAre(web));
    open.clear();
    EXPECT_THAT(addresses_in(ask_tcp(question("web", type_a))), ElementsAre(web));
}

}  // namespace
}  // namespace hako::network
