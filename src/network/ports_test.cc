#include "network/ports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network/sockets.h"
#include "network/test_namespace.h"

namespace hako::network {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const Address loopback = Address::v4(127, 0, 0, 1);
// What stands for the container: an address of the namespace's own loopback.
const Address guest = Address::v4(127, 0, 0, 9);

PortBinding tcp(std::uint16_t host, std::uint16_t container = 80) {
    return {.host_port = host, .container_port = container};
}

class PortsTest : public NamespaceTest {
protected:
    void SetUp() override {
        NamespaceTest::SetUp();
        if (!IsSkipped()) ports_ = start_ports().value();
    }
    // A server in the guest: Python that has the accepted connection as c.
    static Process serve(const std::string& program) {
        Process server = spawn({{"/bin/sh", "-ec", python(R"(
import socket, time
s = socket.create_server(("127.0.0.9", 80))
while True:
    c, a = s.accept()
)" + program)}}).value();
        while (!works("ss -ltn | grep -q 127.0.0.9:80"))
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return server;
    }
    void publish(const PortBinding& binding) {
        ASSERT_TRUE(ports_->reserve("c", "web", {binding}));
        ASSERT_TRUE(ports_->forward("c", guest, {}));
    }

    std::unique_ptr<Ports> ports_;
};

TEST_F(PortsTest, APortInUseNamesItsHolder) {
    const auto first = ports_->reserve("1", "web", {tcp(8080)}).value();
    ASSERT_EQ(first.size(), 2U);
    EXPECT_EQ(to_string(first[0]), "0.0.0.0:8080->80/tcp");
    EXPECT_EQ(to_string(first[1]), "[::]:8080->80/tcp");

    const auto second = ports_->reserve("2", "other", {tcp(9090), tcp(8080)});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind(), ErrorKind::conflict);
    EXPECT_THAT(second.error().message(), AllOf(HasSubstr("8080"), HasSubstr("container web"),
                                                HasSubstr("port is already allocated")));
    // All or nothing: 9090 is free again. UDP is another port.
    EXPECT_TRUE(ports_->reserve("3", "third", {tcp(9090)}));
    EXPECT_TRUE(ports_->reserve(
        "4", "fourth", {{.host_port = 8080, .container_port = 1, .protocol = Protocol::udp}}));
    ports_->release("1");
    ports_->release("1");
    EXPECT_TRUE(ports_->reserve("2", "other", {tcp(8080)}));
    EXPECT_THAT(ports_->reserve("5", "twice", {tcp(7000), tcp(7000)}).error().message(),
                HasSubstr("publishes it twice"));
}

TEST_F(PortsTest, APortOfAnotherProcessNamesIt) {
    const auto other = bind_socket(Protocol::tcp, {loopback, 8080}).value();
    const auto refused = ports_->reserve("1", "web", {tcp(8080)});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), HasSubstr(fmt::format("(pid {})", ::getpid())));
    const auto absent = ports_->reserve(
        "1", "web", {{.host_ip = Address::v4(192, 0, 2, 7), .host_port = 1, .container_port = 1}});
    EXPECT_THAT(absent.error().message(), HasSubstr("192.0.2.7:1"));
}

TEST_F(PortsTest, RandomPortsAndRanges) {
    const auto random = ports_->reserve("1", "web", {tcp(0)}).value();
    ASSERT_EQ(random.size(), 2U);
    EXPECT_GE(random[0].host_port, 32768);
    EXPECT_EQ(random[0].host_port, random[1].host_port);

    PortBinding range = tcp(8000);
    range.host_port_end = 8001;
    EXPECT_EQ(ports_->reserve("2", "a", {range}).value()[0].host_port, 8000);
    EXPECT_EQ(ports_->reserve("3", "b", {range}).value()[0].host_port, 8001);
    const auto full = ports_->reserve("4", "c", {range});
    ASSERT_FALSE(full);
    EXPECT_THAT(full.error().message(), HasSubstr("8000 to 8001"));
}

TEST_F(PortsTest, RelaysBothFamiliesAndKeepsHalfClosedConnections) {
    publish(tcp(8080));
    const Process server = serve(R"(
    data = b""
    while d := c.recv(65536): data += d
    c.sendall(str(len(data)).encode()); c.close()
)");
    for (const char* host : {"127.0.0.1", "::1"})
        EXPECT_EQ(sh(python(fmt::format(R"(
import socket
c = socket.create_connection(("{}", 8080), 20)
c.sendall(b"x" * 5000000); c.shutdown(socket.SHUT_WR)
print(c.recv(99).decode(), c.recv(99))
)",
                                        host))),
                  "5000000 b''\n");
}

TEST_F(PortsTest, ConnectionsWaitForTheContainer) {
    ASSERT_TRUE(ports_->reserve("c", "web", {tcp(8080)}));
    Process client = spawn({{"/bin/sh", "-ec", python(R"(
import socket
c = socket.create_connection(("127.0.0.1", 8080), 20)
assert c.recv(9) == b"hello"
)")}}).value();
    const Process server = serve("    c.sendall(b\"hello\"); c.close()\n");
    ASSERT_TRUE(ports_->forward("c", guest, {}));
    EXPECT_TRUE(client.wait().value()->success());
}

// The container is on another network now.
TEST_F(PortsTest, ForwardsToAnotherAddressFromThenOn) {
    ASSERT_TRUE(ports_->reserve("c", "web", {tcp(8080)}));
    ASSERT_TRUE(ports_->forward("c", Address::v4(127, 0, 0, 8), {}));
    const Process server = serve("    c.sendall(b\"hello\"); c.close()\n");
    const std::string ask = python(R"(
import socket
try: print(socket.create_connection(("127.0.0.1", 8080), 20).recv(9))
except ConnectionError: print("none")
)");
    EXPECT_EQ(sh(ask), "none\n");
    ASSERT_TRUE(ports_->forward("c", guest, {}));
    ASSERT_TRUE(ports_->forward("c", guest, {}));
    EXPECT_EQ(sh(ask), "b'hello'\n");
    ASSERT_TRUE(ports_->forward("c", Address::v4(127, 0, 0, 8), {}));
    EXPECT_EQ(sh(ask), "none\n");
}

TEST_F(PortsTest, WhoReadsSlowlySlowsTheOtherDown) {
    publish(tcp(8080));
    const TempDir folder = TempDir::create().value();
    const std::string sent = folder.path() / "sent";
    const Process server = serve(fmt::format(R"(
    c.setblocking(False); sent = 0; still = 0
    while still < 30:
        try: sent += c.send(b"x" * 65536); still = 0
        except BlockingIOError: still += 1; time.sleep(0.01)
    open("{0}.new", "w").write(str(sent)); import os; os.rename("{0}.new", "{0}")
    time.sleep(60)
)",
                                             sent));
    const Process client = spawn({{"/bin/sh", "-ec", python(R"(
import socket, time
c = socket.create_connection(("127.0.0.1", 8080), 20); time.sleep(60)
)")}}).value();
    // The server comes to a stand without the client reading: not all that it has is taken in.
    while (!std::filesystem::exists(sent))
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_LT(std::stol(read_file(sent).value()), 64L << 20);
}

TEST_F(PortsTest, AContainerThatDoesNotListenResetsTheClient) {
    publish(tcp(8080));
    EXPECT_THAT(sh(python(R"(
import socket
try: print(socket.create_connection(("127.0.0.1", 8080), 20).recv(9))
except ConnectionError as e: print(e)
)")),
                HasSubstr("reset"));
}

TEST_F(PortsTest, ReleaseEndsWhatIsRelayed) {
    publish(tcp(8080));
    const Process server = serve("    c.sendall(b\"x\"); time.sleep(60)\n");
    Process client = spawn({{"/bin/sh", "-ec", python(R"(
import socket
c = socket.create_connection(("127.0.0.1", 8080), 20)
assert c.recv(1) == b"x"; open("/proc/self/comm", "w").write("connected")
c.recv(1)
)")}}).value();
    while (!works(fmt::format("grep -q connected /proc/{}/comm", client.pid())))
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ports_->release("c");
    EXPECT_TRUE(client.wait(std::chrono::seconds(20)).value().has_value());
    EXPECT_TRUE(bind_socket(Protocol::tcp, {Address(), 8080}));
}

TEST_F(PortsTest, UdpAnswersComeFromTheAddressThatWasAsked) {
    sh("ip addr add 10.1.1.1/32 dev lo; ip addr add 10.1.1.2/32 dev lo");
    publish({.host_port = 53, .container_port = 5353, .protocol = Protocol::udp});
    const Process server = spawn({{"/bin/sh", "-ec", python(R"(
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.9", 5353))
while True:
    d, a = s.recvfrom(99); s.sendto(d.upper(), a)
)")}}).value();
    while (!works("ss -lun | grep -q 127.0.0.9:5353"))
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    for (const char* host : {"10.1.1.1", "10.1.1.2", "127.0.0.1", "::1"})
        EXPECT_EQ(sh(python(fmt::format(R"(
import socket
two = [socket.socket(socket.AF_INET6 if ":" in "{0}" else socket.AF_INET, socket.SOCK_DGRAM) for i in (1, 2)]
for i, s in enumerate(two): s.settimeout(20); s.sendto(b"ab"[i:i+1], ("{0}", 53))
for s in two:
    d, a = s.recvfrom(9); print(d.decode(), a[0] == "{0}", a[1])
)",
                                        host))),
                  "A True 53\nB True 53\n")
            << host;
}

}  // namespace
}  // namespace hako::network
