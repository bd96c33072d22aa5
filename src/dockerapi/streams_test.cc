// What stays open: attach, logs, wait and exec, with their clients' comings and goings.
#include <functional>
#include <thread>

#include "dockerapi/api_fixture.h"
#include "dockerapi/container_json.h"
#include "dockerapi/multiplex.h"

namespace hako::dockerapi {
namespace {

using namespace std::chrono_literals;
using Stream = engine::OutputChunk::Stream;

std::string frame(Stream stream, const std::string& data) {
    const auto header = frame_header(stream, static_cast<std::uint32_t>(data.size()));
    return std::string(as_text(header)) + data;
}

bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 500; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(10ms);
    }
    return false;
}

class StreamsTest : public ApiTest {
protected:
    http::Upgraded upgrade(std::string target, std::string body = {}) {
        return client()
            .upgrade({.method = "POST", .target = std::move(target), .body = std::move(body)})
            .value();
    }
};

TEST_F(StreamsTest, AttachCarriesBothWaysAndHalfCloses) {
    containers_.add("app", {.open_stdin = true});
    const auto process = containers_.process("app");
    process->echo = true;
    const auto connection = upgrade("/containers/app/attach?stream=1&stdin=1&stdout=1&stderr=1");
    EXPECT_EQ(connection.headers.find("Content-Type"), "application/vnd.docker.multiplexed-stream");
    process->output.write("warn", Stream::err);
    ASSERT_TRUE(write_all(connection.socket.get(), std::string_view("in\0\xff", 4)));
    ASSERT_TRUE(eventually([&] { return process->input.lock()->size() == 4; }));
    ::shutdown(connection.socket.get(), SHUT_WR);
    EXPECT_EQ(connection.received + read_rest(connection.socket.get()),
              frame(Stream::err, "warn") + frame(Stream::out, std::string("in\0\xff", 4)));
    EXPECT_TRUE(process->input_closed);
}

TEST_F(StreamsTest, AttachWithoutInputOutlivesAHalfClose) {
    containers_.add("app");
    const auto connection = upgrade("/containers/app/attach?stream=1&stdout=1");
    ::shutdown(connection.socket.get(), SHUT_WR);
    containers_.process("app")->output.write("hidden", Stream::err);
    containers_.process("app")->output.write("shown");
    containers_.end("app", 0);
    EXPECT_EQ(connection.received + read_rest(connection.socket.get()),
              frame(Stream::out, "shown"));
}

TEST_F(StreamsTest, ATerminalDetachesByItsKeys) {
    containers_.add("app", {.tty = true, .open_stdin = true});
    const auto process = containers_.process("app");
    const auto connection =
        upgrade("/containers/app/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,x");
    EXPECT_EQ(connection.headers.find("Content-Type"), "application/vnd.docker.raw-stream");
    process->output.write("raw\r\n");
    ASSERT_TRUE(write_all(connection.socket.get(), "ls\1x"));
    EXPECT_EQ(connection.received + read_rest(connection.socket.get()), "raw\r\n");
    EXPECT_EQ(*process->input.lock(), "ls");
    EXPECT_FALSE(process->input_closed);
    EXPECT_EQ(outcome("POST", "/containers/app/attach?detachKeys=nonsense").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("POST", "/containers/none/attach?stream=1"), "404 No such container: none");
}

TEST_F(StreamsTest, AttachesByWebSocketWithoutFrames) {
    containers_.add("app", {.open_stdin = true});
    const auto process = containers_.process("app");
    const auto open = [&](const std::string& query, const std::string& headers = "") {
        Fd socket = http::connect(endpoint_).value();
        EXPECT_TRUE(write_all(socket.get(),
                              "GET /v1.45/containers/app/attach/ws?" + query +
                                  " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: "
                                  "websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                                  "dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                                  headers + "\r\n"));
        return socket;
    };
    EXPECT_EQ(outcome("GET", "/containers/app/attach/ws?stream=1").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("GET", "/containers/none/attach/ws?stream=1"), "404 No such container: none");
    EXPECT_TRUE(process->input.lock()->empty());

    const Fd foreign = open("stream=1&stdout=1", "Origin: http://evil\r\nConnection: close\r\n");
    std::array<std::byte, 12> status;
    ASSERT_TRUE(read_some(foreign.get(), status));
    EXPECT_EQ(as_text(status), "HTTP/1.1 403");

    const Fd socket = open("stream=1&stdin=1&stdout=1");
    // "in", masked with zeros.
    ASSERT_TRUE(write_all(socket.get(), std::string_view("\x82\x82\0\0\0\0in", 8)));
    ASSERT_TRUE(eventually([&] { return *process->input.lock() == "in"; }));
    process->output.write("hidden", Stream::err);
    process->output.write("shown");
    containers_.end("app", 0);
    const std::string all = read_rest(socket.get());
    EXPECT_EQ(all.substr(all.find("\r\n\r\n") + 4), "\x82\x05shown\x88\x02\x03\xe8");
}

TEST_F(StreamsTest, AnAttachedClientThatLeavesEndsTheSession) {
    containers_.add("app", {.open_stdin = true});
    {
        const auto connection = upgrade("/containers/app/attach?stream=1&stdin=1&stdout=1");
        ASSERT_TRUE(eventually([&] { return server_->connections() == 1; }));
    }
    EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
    EXPECT_TRUE(containers_.process("app")->input_closed);
}

TEST_F(StreamsTest, LogsFollow) {
    containers_.add("app");
    const auto process = containers_.process("app");
    const auto stream =
        client().stream({.target = "/containers/app/logs?stdout=1&follow=1&tail=5"}).value();
    EXPECT_EQ(containers_.calls().back(), "logs(follow=true tail=5) app");
    process->output.write("line\n");
    std::array<std::byte, 100> piece;
    const auto count = stream->read(piece).value();
    EXPECT_EQ(as_text(std::span(piece).first(count)), frame(Stream::out, "line\n"));
    containers_.end("app", 0);
    EXPECT_EQ(stream->read(piece).value(), 0U);
    EXPECT_EQ(outcome("GET", "/containers/app/logs"),
              "400 Bad parameters: you must choose at least one stream");
    EXPECT_EQ(outcome("GET", "/containers/app/logs?stdout=1&since=x").substr(0, 4), "400 ");
}

TEST_F(StreamsTest, AFollowerThatLeavesIsNoticed) {
    containers_.add("app");
    { ASSERT_TRUE(client().stream({.target = "/containers/app/logs?stdout=1&follow=1"})); }
    EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
}

TEST_F(StreamsTest, WaitAnswersItsHeadersAtOnce) {
    containers_.add("app");
    const auto stream =
        client().stream({.method = "POST", .target = "/containers/app/wait?condition=next-exit"});
    ASSERT_TRUE(stream);
    containers_.end("app", 42);
    EXPECT_EQ(stream.value()->next_line().value(), R"({"StatusCode":42})");
    EXPECT_EQ(outcome("POST", "/containers/app/wait?condition=bored"),
              "400 invalid condition: \"bored\"");
    EXPECT_EQ(outcome("POST", "/containers/none/wait"), "404 No such container: none");
}

TEST_F(StreamsTest, WaitForRemoval) {
    containers_.add("app");
    containers_.end("app", 3);
    const auto stream =
        client().stream({.method = "POST", .target = "/containers/app/wait?condition=removed"});
    EXPECT_EQ(outcome("DELETE", "/containers/app"), "204");
    EXPECT_EQ(stream.value()->next_line().value(), R"({"StatusCode":3})");
}

TEST_F(StreamsTest, ExecStartsAndStreams) {
    containers_.add("app");
    const auto created = send("POST", "/containers/app/exec",
                              R"({"Cmd":["cat"],"AttachStdin":true,"AttachStdout":true})");
    ASSERT_EQ(created.status, 201);
    const std::string path = "/exec/" + execs_.exec.id;
    execs_.process->echo = true;
    const auto connection = upgrade(path + "/start", R"({"Detach":false,"ConsoleSize":[24,80]})");
    EXPECT_EQ(execs_.started->size->columns, 80U);
    ASSERT_TRUE(write_all(connection.socket.get(), "hello"));
    ::shutdown(connection.socket.get(), SHUT_WR);
    EXPECT_EQ(connection.received + read_rest(connection.socket.get()),
              frame(Stream::out, "hello"));

    EXPECT_EQ(get(path + "/json")["ProcessConfig"]["entrypoint"], "cat");
    EXPECT_EQ(get(path + "/json")["ExitCode"], nullptr);
    EXPECT_EQ(outcome("POST", path + "/resize?h=5&w=6"), "200");
    EXPECT_EQ(execs_.size.rows, 5U);
    EXPECT_EQ(outcome("POST", path + "/start", R"({"Detach":true})"), "200");
    EXPECT_EQ(outcome("POST", path + "/start", R"({"Detach":"x"})").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("POST", "/exec/none/start", "{}"), "404 No such exec instance: none");
    EXPECT_EQ(outcome("POST", "/containers/app/exec", R"({"Cmd":[]})"),
              "400 No exec command specified");
}

TEST_F(StreamsTest, AMissingCommandIsToldOnTheStream) {
    containers_.add("app");
    ASSERT_EQ(send("POST", "/containers/app/exec", R"({"Cmd":["none"]})").status, 201);
    const std::string path = "/exec/" + execs_.exec.id + "/start";
    execs_.start_error = Error(ErrorKind::exec_not_found, "executable file not found");
    const auto connection = upgrade(path, "{}");
    EXPECT_EQ(connection.received + read_rest(connection.socket.get()),
              frame(Stream::out, "executable file not found\r\n"));
    EXPECT_EQ(outcome("POST", path, R"({"Detach":true})"), "400 executable file not found");
    execs_.start_error = Error(ErrorKind::conflict, "container is not running");
    EXPECT_EQ(outcome("POST", path, "{}"), "409 container is not running");
}

TEST(StatusText, AsPsPrintsIt) {
    const WallTime moment{std::chrono::hours(1000)};
    engine::Container container;
    engine::ContainerState& state = container.state;
    EXPECT_EQ(status_text(container, moment), "Created");
    state.status = engine::Status::running;
    state.started_at = moment - 5s;
    EXPECT_EQ(status_text(container, moment), "Up 5 seconds");
    state.started_at = moment + 5s;  // the clock was set back
    EXPECT_EQ(status_text(container, moment), "Up Less than a second");
    state.started_at = moment - 5s;
    container.health.emplace();
    EXPECT_EQ(status_text(container, moment), "Up 5 seconds (health: starting)");
    container.health->status = engine::Health::unhealthy;
    EXPECT_EQ(status_text(container, moment), "Up 5 seconds (unhealthy)");
    state.status = engine::Status::paused;
    EXPECT_EQ(status_text(container, moment), "Up 5 seconds (Paused)");
    state.status = engine::Status::restarting;
    state.exit_code = 1;
    state.finished_at = moment - 5s;
    EXPECT_EQ(status_text(container, moment), "Restarting (1) 5 seconds ago");
    state.status = engine::Status::exited;
    state.exit_code = 137;
    state.finished_at = moment - 3min;
    EXPECT_EQ(status_text(container, moment), "Exited (137) 3 minutes ago");
}

}  // namespace
}  // namespace hako::dockerapi
