#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>

#include "base/units.h"
#include "cli/program_fixture.h"

namespace hako::cli {
namespace {

TEST_F(ProgramTest, ListsContainers) {
    answer("GET", "/v1.44/containers/json", 200,
           {{{"Id", std::string(64, 'a')},
             {"Image", "hako/hello"},
             {"Command", "sh -c 'echo something long'"},
             {"Created", 1},
             {"State", "running"},
             {"Status", "Up 2 seconds"},
             {"Names", {"/one"}},
             {"Labels", {{"k", "v"}}},
             {"Ports",
              {{{"IP", "0.0.0.0"}, {"PrivatePort", 80}, {"PublicPort", 8080}, {"Type", "tcp"}}}}}});
    serve();
    EXPECT_EQ(run({"ps", "-a", "--filter", "label=k=v"}), 0) << program_.err();
    const auto table = program_.out();
    EXPECT_TRUE(table.starts_with("CONTAINER ID   IMAGE        COMMAND                  CREATED "))
        << table;
    EXPECT_NE(table.find("\naaaaaaaaaaaa   hako/hello   \"sh -c 'echo somethi…\"   "),
              std::string::npos)
        << table;
    EXPECT_NE(table.find("Up 2 seconds   0.0.0.0:8080->80/tcp   one\n"), std::string::npos)
        << table;
    EXPECT_EQ(requests().back(),
              "GET /v1.44/containers/json?all=1&filters=%7B%22label%22%3A%5B%22k%3Dv%22%5D%7D");
    EXPECT_EQ(run({"container", "ls", "-q", "--no-trunc"}), 0);
    EXPECT_EQ(program_.out(), std::string(64, 'a') + "\n");
    EXPECT_EQ(run({"ps", "--format", "{{.Names}} {{.Label \"k\"}}"}), 0);
    EXPECT_EQ(program_.out(), "one v\n");
}

// Each is answered only when all were asked.
TEST_F(ProgramTest, RemovesAndStopsAllAtOnce) {
    std::mutex mutex;
    std::condition_variable came;
    int asked = 0;
    const auto together = [&](http::Request& request, http::Response& response) -> Result<void> {
        {
            // Let go before the answer: the test, whose these are, may end with that.
            std::unique_lock lock(mutex);
            ++asked;
            came.notify_all();
            if (!came.wait_for(lock, std::chrono::seconds(20), [&] { return asked >= 3; }))
                return fail(ErrorKind::deadline, "asked one after another");
        }
        if (request.parameters["name"] == "b")
            return fail(ErrorKind::not_found, "No such container: b");
        return response.send_empty(204);
    };
    for (const auto& [method, path] : {std::pair("DELETE", "/v1.44/containers/{name}"),
                                       std::pair("POST", "/v1.44/containers/{name}/stop")})
        add(method, path, together);
    serve();
    EXPECT_EQ(run({"rm", "a", "b", "c"}), 1);
    EXPECT_EQ(program_.out(), "a\nc\n");
    EXPECT_NE(program_.err().find("No such container: b"), std::string::npos) << program_.err();
    asked = 0;
    EXPECT_EQ(run({"stop", "a", "c", "d"}), 0) << program_.err();
    EXPECT_EQ(program_.out(), "a\nc\nd\n");
}

TEST_F(ProgramTest, RunsAContainer) {
    add_container(42);
    serve();
    EXPECT_EQ(run({"run", "-i", "--name", "n", "image", "cat", "-n"}, "binary\n\xff"), 42);
    EXPECT_EQ(program_.out(), "binary\n\xff");
    EXPECT_EQ(program_.err(), "error");
    EXPECT_EQ(created_["Cmd"], (Json{"cat", "-n"}));
    EXPECT_EQ(created_["StdinOnce"], true);
    const auto asked = requests();
    EXPECT_EQ((std::vector<std::string>{asked.begin() + 1, asked.end()}),
              (std::vector<std::string>{"POST /v1.44/containers/create?name=n",
                                        "POST /v1.44/containers/c/attach?stream=1&stdin=1&stdout=1"
                                        "&stderr=1",
                                        "POST /v1.44/containers/c/wait?condition=next-exit",
                                        "POST /v1.44/containers/c/start"}));
}

TEST_F(ProgramTest, TellsHowLongAgoATemplateWasUsed) {
    const Json used{{"Key", "k"},
                    {"Ready", true},
                    {"Size", 1},
                    {"Used", format_time(now() - std::chrono::minutes(3))},
                    {"Shape", {{"memory_bytes", 1}, {"cpus", 1}}}};
    answer("GET", "/hako/v1/templates", 200, Json::array({used}));
    serve();
    EXPECT_EQ(run({"template", "ls"}), 0) << program_.err();
    EXPECT_NE(program_.out().find("   3 minutes ago   "), std::string::npos) << program_.out();
}

TEST_F(ProgramTest, RunsInTheBackground) {
    add_container(0, {{"Id", "c"}, {"Warnings", {"mind the gap"}}});
    serve();
    const auto id_file = program_.folder() / "cid";
    EXPECT_EQ(run({"run", "-d", "--rm", "--cidfile", id_file, "image"}), 0) << program_.err();
    EXPECT_EQ(program_.out(), "c\n");
    EXPECT_EQ(program_.err(), "WARNING: mind the gap\n");
    EXPECT_EQ(read_file(id_file).value(), "c");
    EXPECT_EQ(created_["HostConfig"]["AutoRemove"], true);
    EXPECT_EQ(run({"run", "-d", "--cidfile", id_file, "image"}), 125);
    EXPECT_NE(program_.err().find("container ID file found"), std::string::npos);
}

TEST_F(ProgramTest, PullsAMissingImage) {
    std::atomic<int> tries = 0;
    add("POST", "/v1.44/containers/create",
        [&](http::Request&, http::Response& response) -> Result<void> {
            if (tries++ == 0) return fail(ErrorKind::not_found, "No such image: x:latest");
            return response.send_json(201, {{"Id", "c"}});
        });
    stream(
        "POST", "/v1.44/images/create",
        "{\"status\":\"Pulling from library/x\",\"id\":\"latest\"}\r\n"
        "{\"status\":\"Downloading\",\"id\":\"l\",\"progressDetail\":{\"current\":1,\"total\":2}}\n"
        "{\"status\":\"Done\",\"id\":\"l\"}\n");
    answer("POST", "/v1.44/containers/c/start", 204, nullptr);
    serve();
    EXPECT_EQ(run({"run", "-d", "x"}), 0);
    EXPECT_EQ(program_.out(), "c\n");
    EXPECT_EQ(program_.err(),
              "Unable to find image 'x' locally\nlatest: Pulling from library/x\nl: Done\n");
    EXPECT_EQ(requests()[2], "POST /v1.44/images/create?fromImage=x&tag=latest");
    tries = 0;
    EXPECT_EQ(run({"run", "-d", "--pull=never", "x"}), 125);
    EXPECT_TRUE(
        program_.err().starts_with("hako: Error response from daemon: No such image: x:latest\n"))
        << program_.err();
}

struct StartFailure {
    const char* message;
    int status;
};

class StartFails : public ProgramTest, public testing::WithParamInterface<StartFailure> {};

TEST_P(StartFails, WithDockersStatus) {
    answer("POST", "/v1.44/containers/create", 201, {{"Id", "c"}});
    fail_with("POST", "/v1.44/containers/c/start", ErrorKind::invalid, GetParam().message);
    serve();
    EXPECT_EQ(run({"run", "-d", "x"}), GetParam().status);
    EXPECT_EQ(run({"start", "c"}), 1);
    EXPECT_EQ(program_.err(), fmt::format("Error response from daemon: {}\n", GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, StartFails,
    testing::Values(StartFailure{"exec: \"x\": executable file not found in $PATH", 127},
                    StartFailure{"exec /x: no such file or directory", 127},
                    StartFailure{"exec /x: permission denied", 126},
                    StartFailure{"exec /x: is a directory", 126},
                    StartFailure{"the machine did not boot", 125}));

TEST_F(ProgramTest, TellsThatTheDaemonWentAway) {
    answer("POST", "/v1.44/containers/create", 201, {{"Id", "c"}});
    add("POST", "/v1.44/containers/c/attach",
        [](http::Request&, http::Response& response) -> Result<void> {
            HAKO_TRY(auto* raw, response.hijack("application/vnd.docker.raw-stream"));
            return raw->write(frame(1, "half"));
        });
    stream("POST", "/v1.44/containers/c/wait", "");
    answer("POST", "/v1.44/containers/c/start", 204, nullptr);
    serve();
    EXPECT_EQ(run({"run", "x"}), 125);
    EXPECT_EQ(program_.out(), "half");
    EXPECT_NE(program_.err().find("the container goes on"), std::string::npos) << program_.err();
}

TEST_F(ProgramTest, ExecutesInAContainer) {
    answer("POST", "/v1.44/containers/c/exec", 201, {{"Id", "e"}});
    add("POST", "/v1.44/exec/e/start",
        [](http::Request&, http::Response& response) -> Result<void> {
            HAKO_TRY(auto* raw, response.hijack("application/vnd.docker.raw-stream"));
            return raw->write(frame(1, "out") + frame(2, "err"));
        });
    answer("GET", "/v1.44/exec/e/json", 200, {{"ExitCode", 3}});
    serve();
    EXPECT_EQ(run({"exec", "-e", "A=1", "c", "sh", "-c", "exit 3"}), 3) << program_.err();
    EXPECT_EQ(program_.out(), "out");
    EXPECT_EQ(program_.err(), "err");
    EXPECT_EQ(run({"exec", "-it", "c", "sh"}), 1);
    EXPECT_TRUE(program_.err().starts_with("the input device is not a TTY"));
    EXPECT_EQ(run({"exec", "c"}), 1);
}

TEST_F(ProgramTest, PrintsLogs) {
    answer("GET", "/v1.44/containers/c/json", 200, {{"Id", "c"}, {"Config", {{"Tty", false}}}});
    stream("GET", "/v1.44/containers/c/logs", frame(1, "out\n") + frame(2, "err\n"));
    serve();
    EXPECT_EQ(run({"logs", "-t", "--tail=5", "--since", "2026-11-22T09:30:00Z", "c"}), 0);
    EXPECT_EQ(program_.out(), "out\n");
    EXPECT_EQ(program_.err(), "err\n");
    EXPECT_EQ(requests().back(),
              "GET /v1.44/containers/c/logs?stdout=1&stderr=1&timestamps=1&tail=5&"
              "since=1795339800.000000000");
    EXPECT_EQ(run({"logs", "--since", "yesterday", "c"}), 1);
}

TEST_F(ProgramTest, DoesTheRestAfterAFailure) {
    answer("POST", "/v1.44/containers/a/stop", 304, nullptr);
    fail_with("POST", "/v1.44/containers/b/stop", ErrorKind::not_found, "No such container: b");
    answer("POST", "/v1.44/containers/d/stop", 204, nullptr);
    serve();
    EXPECT_EQ(run({"stop", "-t", "3", "a", "b", "d"}), 1);
    EXPECT_EQ(program_.out(), "a\nd\n");
    EXPECT_EQ(program_.err(), "Error response from daemon: No such container: b\n");
    for (const auto* name : {"a", "b", "d"})
        EXPECT_EQ(
            std::ranges::count(requests(), fmt::format("POST /v1.44/containers/{}/stop?t=3", name)),
            1);
}

TEST_F(ProgramTest, InspectsContainersAndImages) {
    answer("GET", "/v1.44/containers/c/json", 200, {{"Id", "c"}, {"State", {{"Status", "x"}}}});
    fail_with("GET", "/v1.44/containers/i/json", ErrorKind::not_found, "No such container: i");
    answer("GET", "/v1.44/images/i/json", 200, {{"Id", "sha256:i"}});
    fail_with("GET", "/v1.44/images/none/json", ErrorKind::not_found, "No such image: none");
    serve();
    EXPECT_EQ(run({"inspect", "-f", "{{.Id}}", "c", "i"}), 0);
    EXPECT_EQ(program_.out(), "c\nsha256:i\n");
    EXPECT_EQ(run({"inspect", "c"}), 0);
    EXPECT_EQ(Json::parse(program_.out())[0]["State"]["Status"], "x");
    EXPECT_EQ(run({"inspect", "--type", "image", "none"}), 1);
    EXPECT_EQ(program_.out(), "[]\n");
}

TEST_F(ProgramTest, ReportsAnErrorInAPull) {
    stream(
        "POST", "/v1.44/images/create",
        "{\"status\":\"Pulling\"}\n{\"errorDetail\":{\"message\":\"gone\"},\"error\":\"gone\"}\n");
    serve();
    EXPECT_EQ(run({"pull", "x:1"}), 1);
    EXPECT_EQ(program_.out(), "Pulling\n");
    EXPECT_EQ(program_.err(), "Error response from daemon: gone\n");
}

TEST_F(ProgramTest, SurvivesNonsense) {
    answer("GET", "/v1.44/containers/json", 200, {{"not", "a list"}});
    stream("GET", "/v1.44/images/json", "<html>");
    serve();
    EXPECT_NE(run({"ps"}), 0);
    EXPECT_NE(run({"images"}), 0);
    EXPECT_NE(run({"ps", "--filter", "nonsense"}), 0);
    EXPECT_NE(run({"-H", "ftp://x", "ps"}), 0);
}

TEST_F(ProgramTest, NeverStartsADaemonForANamedHost) {
    EXPECT_EQ(run({"ps"}), 1);
    EXPECT_NE(program_.err(), "");
    EXPECT_EQ(run({"run", "x"}), 125);
    EXPECT_FALSE(std::filesystem::exists(program_.folder() / "run"));
}

TEST_F(ProgramTest, CompletesNames) {
    answer("GET", "/v1.44/containers/json", 200, {{{"Names", {"/web"}}}, {{"Names", {"/db"}}}});
    serve();
    EXPECT_EQ(run({"__complete", "stop", "w"}), 0);
    EXPECT_EQ(program_.out(), "web\n");
    EXPECT_EQ(run({"__complete", "container", "st"}), 0);
    EXPECT_TRUE(program_.out().starts_with("start\t")) << program_.out();
    EXPECT_EQ(run({"__complete", "run", "--ent"}), 0);
    EXPECT_TRUE(program_.out().starts_with("--entrypoint\t")) << program_.out();
    EXPECT_EQ(run({"__complete", "run", "--env-file", ""}), 0);
    EXPECT_EQ(program_.out(), ":files\n");
    for (const char* shell : {"bash", "zsh", "fish"}) {
        EXPECT_EQ(run({"completion", shell}), 0);
        EXPECT_NE(program_.out().find("__complete"), std::string::npos);
    }
    EXPECT_EQ(run({"completion", "tcsh"}), 1);
}

void check_usage(const Command& command) {
    const auto line = command.usage_line();
    EXPECT_EQ(line.find("[OPTIONS]"), line.rfind("[OPTIONS]")) << line;
    for (const auto& child : command.children()) check_usage(child);
}

TEST(Program, NamesOptionsOnceInAUsageLine) { check_usage(all_commands()); }

TEST(Program, ShowsHelpAndVersion) {
    TestProgram program;
    EXPECT_EQ(run_program({}, program.stdio()), 0);
    EXPECT_TRUE(program.out().starts_with("Usage:  hako [OPTIONS] COMMAND\n"));
    program.clear();
    EXPECT_EQ(run_program({"--version"}, program.stdio()), 0);
    EXPECT_TRUE(program.out().starts_with("hako version "));
    program.clear();
    EXPECT_EQ(run_program({"container", "nosuch"}, program.stdio()), 1);
    EXPECT_TRUE(program.err().starts_with("hako: unknown command: hako container nosuch\n"));
}

}  // namespace
}  // namespace hako::cli
