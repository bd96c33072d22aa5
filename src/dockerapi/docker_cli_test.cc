// The real docker CLI against the API over fakes. Skipped where it is not installed.
#include <chrono>
#include <thread>

#include <gmock/gmock.h>

#include "base/process.h"
#include "dockerapi/api_fixture.h"

namespace hako::dockerapi {
namespace {

using testing::HasSubstr;

class DockerCliTest : public ApiTest {
protected:
    void SetUp() override {
        if (!run({.argv = {"docker", "--version"}}, std::chrono::seconds(20)))
            GTEST_SKIP() << "there is no docker CLI";
    }
    CommandOutput docker(std::vector<std::string> arguments, std::string_view input = {}) {
        Command command{.argv = {"docker", "-H", endpoint_.to_string()},
                        .extra_environment = {{"DOCKER_CONFIG", folder_.path() / "config"}}};
        command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
        return run(command, std::chrono::seconds(60), input).value();
    }
    std::string out(std::vector<std::string> arguments) {
        const auto output = docker(std::move(arguments));
        EXPECT_EQ(output.status.code, 0) << output.err;
        return output.out;
    }
};

TEST_F(DockerCliTest, Queries) {
    engine::Container& app = containers_.add("app", {.image = "busybox"});
    app.state.status = engine::Status::running;
    app.state.started_at = now() - std::chrono::minutes(5);
    EXPECT_EQ(out({"version", "--format", "{{.Server.APIVersion}} {{.Server.MinAPIVersion}}"}),
              "1.50 1.24\n");
    EXPECT_EQ(out({"info", "--format", "{{.Driver}} {{.NCPU}} {{.Swarm.LocalNodeState}}"}),
              "erofs 2 inactive\n");
    EXPECT_THAT(out({"ps"}), HasSubstr("Up 5 minutes"));
    EXPECT_EQ(out({"ps", "-a", "--format", "{{.Names}} {{.Image}} {{.Command}}"}),
              "app busybox \"sh\"\n");
    EXPECT_EQ(
        out({"inspect", "--format", "{{.Name}} {{.State.Status}} {{.HostConfig.ShmSize}}", "app"}),
        "/app running 67108864\n");
    EXPECT_EQ(out({"images", "--format", "{{.Repository}} {{.Tag}} {{.Size}}"}),
              "busybox latest 4.26MB\n");
    EXPECT_EQ(out({"image", "inspect", "--format", "{{.Os}} {{.Config.Cmd}}", "busybox"}),
              "linux [sh]\n");
    EXPECT_THAT(out({"top", "app"}), HasSubstr("PID"));
    const auto missing = docker({"inspect", "none"});
    EXPECT_EQ(missing.status.code, 1);
    EXPECT_THAT(missing.err, HasSubstr("o such object: none"));
}

TEST_F(DockerCliTest, RunWaitsForTheExitCode) {
    std::jthread ending([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            const auto running = containers_.list({}).value();
            for (const auto& container : running) {
                const auto process = containers_.process(container.id);
                process->output.write("to out\n");
                process->output.write("to err\n", engine::OutputChunk::Stream::err);
                containers_.end(container.id, 7);
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    });
    const auto output = docker({"run", "-m", "64m", "-e", "A=1", "busybox", "sh", "-c", "x"});
    EXPECT_EQ(output.status.code, 7) << output.err;
    EXPECT_EQ(output.out, "to out\n");
    EXPECT_EQ(output.err, "to err\n");
    EXPECT_EQ(containers_.last_create.host_config.memory, 64 * kMiB);
    EXPECT_EQ(containers_.last_create.config.env, std::vector<std::string>{"A=1"});
    const auto refused = docker({"run", "--gpus", "all", "busybox"});
    EXPECT_EQ(refused.status.code, 125);
    EXPECT_THAT(refused.err, HasSubstr("not offered by this version of hako"));
}

TEST_F(DockerCliTest, ExecPassesInputThrough) {
    engine::Container& app = containers_.add("app");
    app.state.status = engine::Status::running;
    execs_.process->echo = true;
    execs_.exec.exit_code = 0;
    const std::string input(300'000, 'i');
    const auto output = docker({"exec", "-i", "app", "cat"}, input);
    EXPECT_EQ(output.status.code, 0) << output.err;
    EXPECT_EQ(output.out, input);
}

TEST_F(DockerCliTest, LogsStopAndRemove) {
    engine::Container& app = containers_.add("app");
    app.state.status = engine::Status::running;
    containers_.process("app")->output.write("line\n");
    EXPECT_EQ(out({"stop", "-t", "3", "app"}), "app\n");
    EXPECT_EQ(out({"logs", "app"}), "line\n");
    EXPECT_EQ(out({"wait", "app"}), "143\n");
    EXPECT_EQ(out({"rm", "-f", "app"}), "app\n");
    EXPECT_EQ(containers_.calls().front(), "stop(3) app");
}

TEST_F(DockerCliTest, PullShowsWhatWentWrong) {
    images_.progress = {{"latest", "Pulling from library/none"}};
    images_.pull_error = Error(ErrorKind::not_found, "manifest unknown");
    const auto output = docker({"pull", "none"});
    EXPECT_EQ(output.status.code, 1);
    EXPECT_THAT(output.err, HasSubstr("manifest unknown"));
    images_.pull_error.reset();
    EXPECT_THAT(out({"pull", "busybox"}), HasSubstr("Pulling from library/none"));
}

}  // namespace
}  // namespace hako::dockerapi
