#include <gmock/gmock.h>

#include <fstream>
#include <future>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using ::testing::HasSubstr;

class AttachTest : public EngineTest {
protected:
    static std::string read_all(OutputStream& stream) {
        std::string text;
        while (true) {
            auto chunk = stream.next({});
            EXPECT_TRUE(chunk) << chunk.error().message();
            if (!chunk || !*chunk) return text;
            text += (*chunk)->data;
        }
    }
    std::string logs(const std::string& id, const Engine::Logs& options = {}) {
        auto stream = engine_->logs(id, options);
        EXPECT_TRUE(stream) << stream.error().message();
        return stream ? read_all(**stream) : "";
    }
};

TEST_F(AttachTest, SeesEveryByteFromTheFirstOne) {
    const std::string id = create();
    auto session = engine_->attach(id, {.output = true});
    ASSERT_TRUE(session);
    EXPECT_FALSE(session->input) << "the container has no standard input";
    auto output = std::async(std::launch::async, [&] { return read_all(*session->output); });
    ASSERT_TRUE(engine_->start(id));
    world_.find(id)->say("", "one ");
    world_.find(id)->say("", "two");
    world_.find(id)->finish("", 0);
    EXPECT_EQ(output.get(), "one two");
    EXPECT_EQ(state(id).status, Status::exited) << "the end of the output is after the exit";
}

TEST_F(AttachTest, AClockThatWasSetBackDoesNotCutTheOutput) {
    const std::string id = create();
    ASSERT_TRUE(engine_->start(id));
    world_.find(id)->finish("", 0);
    wait_for([&] { return state(id).status == Status::exited; });
    // The END of that run, last in the log: its time becomes a day from now.
    const std::string log = engine_->inspect(id)->log_path;
    std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
    const auto later = (now() + std::chrono::hours(24)).time_since_epoch().count();
    file.seekp(-20, std::ios::end);
    file.write(reinterpret_cast<const char*>(&later), sizeof later);
    file.close();

    ASSERT_TRUE(engine_->start(id));
    auto followed = engine_->logs(id, {.follow = true});
    ASSERT_TRUE(followed);
    world_.find(id)->say("", "said\n");
    const auto chunk = (*followed)->next({});
    ASSERT_TRUE(chunk && *chunk) << "it goes on behind the END of the first run";
    EXPECT_EQ((*chunk)->data, "said\n");
    world_.find(id)->finish("", 0);
    EXPECT_EQ(read_all(**followed), "");
}

TEST_F(AttachTest, FollowedLogsEndAtTheirTime) {
    const std::string id = run();
    world_.find(id)->say("", "said\n");
    auto followed =
        engine_->logs(id, {.follow = true, .until = now() + std::chrono::milliseconds(300)});
    ASSERT_TRUE(followed);
    EXPECT_EQ(read_all(**followed), "said\n") << "and no wait for the container's end";
    // Of a container that never pauses for breath, too.
    const WallTime until = now();
    world_.find(id)->say("", "too late\n");
    EXPECT_EQ(read_all(**engine_->logs(id, {.follow = true, .until = until})), "said\n");
    EXPECT_EQ(state(id).status, Status::running);
}

TEST_F(AttachTest, AFailedStartEndsIt) {
    world_.on_ready = [](const runtime::SandboxSpec&) -> Result<void> {
        return fail(ErrorKind::internal, "no");
    };
    const std::string id = create();
    auto session = engine_->attach(id, {.output = true});
    ASSERT_TRUE(session);
    EXPECT_FALSE(engine_->start(id));
    EXPECT_EQ(read_all(*session->output), "");
}

TEST_F(AttachTest, InputWaitsForTheStartAndEndsWithItsClient) {
    CreateRequest wanted = request();
    wanted.config.open_stdin = true;
    wanted.config.stdin_once = true;
    const std::string id = create(wanted);
    auto session = engine_->attach(id, {.input = true});
    ASSERT_TRUE(session && session->input);
    auto written = std::async(std::launch::async, [&]() -> Result<void> {
        HAKO_CHECK(session->input->write(as_bytes("hello"), {}));
        return session->input->close({});
    });
    EXPECT_EQ(written.wait_for(std::chrono::milliseconds(30)), std::future_status::timeout);
    ASSERT_TRUE(engine_->start(id));
    ASSERT_TRUE(written.get());
    const auto sandbox = world_.find(id);
    const std::lock_guard lock(sandbox->mutex);
    EXPECT_EQ(sandbox->processes[""].input, "hello");
    EXPECT_TRUE(sandbox->processes[""].input_closed);
}

TEST_F(AttachTest, InputOfAContainerThatGoesIsRefused) {
    CreateRequest wanted = request();
    wanted.config.open_stdin = true;
    const std::string id = create(wanted);
    auto session = engine_->attach(id, {.input = true});
    ASSERT_TRUE(engine_->remove(id, {}));
    EXPECT_EQ(session->input->write(as_bytes("x"), {}).error().kind(), ErrorKind::conflict);
}

TEST_F(AttachTest, LogsAreLines) {
    const std::string id = run();
    world_.find(id)->say("", "a\nb\nc");
    EXPECT_EQ(logs(id), "a\nb\nc");
    EXPECT_EQ(logs(id, {.tail = 2}), "b\nc");
    EXPECT_EQ(logs(id, {.out = false}), "");
    EXPECT_EQ(logs(id, {.since = now() + std::chrono::hours(1)}), "");

    auto stream = engine_->logs(id, {.follow = true});
    auto followed = std::async(std::launch::async, [&] { return read_all(**stream); });
    world_.find(id)->say("", "d\n");
    world_.find(id)->finish("", 0);
    EXPECT_EQ(followed.get(), "a\nb\ncd\n");
}

TEST_F(AttachTest, FollowingASecondRunPassesTheFirstOnesEnd) {
    const std::string id = run();
    world_.find(id)->say("", "first\n");
    world_.find(id)->finish("", 0);
    wait(id);
    ASSERT_TRUE(engine_->start(id));
    auto stream = engine_->logs(id, {.follow = true});
    world_.find(id)->say("", "second\n");
    world_.find(id)->finish("", 0);
    EXPECT_EQ(read_all(**stream), "first\nsecond\n");
}

TEST_F(AttachTest, AClientThatLeavesIsLetGo) {
    auto session = engine_->attach(run(), {.output = true});
    std::stop_source client;
    client.request_stop();
    EXPECT_EQ(session->output->next(client.get_token()).error().kind(), ErrorKind::cancelled);
}

TEST_F(AttachTest, TellsWhoDetachesByKeys) {
    const std::string id = run();
    const auto session = engine_->attach(id, {.input = true, .output = true});
    const auto exec = engine_->create_exec(id, {.cmd = {"cat"}, .attach_stdout = true});
    const auto other = engine_->start_exec(*exec, {});
    const WallTime before = now();
    session->on_detach();
    other->on_detach();
    const auto events = engine_->events(before, now());
    EXPECT_EQ(events->next({}).value()->action, "detach");
    const auto of_exec = events->next({}).value();
    EXPECT_EQ(of_exec->action, "exec_detach");
    EXPECT_EQ(of_exec->attributes.at("execID"), *exec);
    world_.find(id)->finish(*exec, 0);
}

TEST_F(AttachTest, ExecRunsBesideIt) {
    const std::string id = run();
    const auto exec =
        engine_->create_exec(id, {.cmd = {"cat"}, .attach_stdin = true, .attach_stdout = true});
    ASSERT_TRUE(exec);
    auto session = engine_->start_exec(*exec, {});
    ASSERT_TRUE(session) << session.error().message();
    ASSERT_TRUE(session->input && session->output);
    EXPECT_TRUE(engine_->inspect_exec(*exec)->running);
    EXPECT_EQ(engine_->start_exec(*exec, {}).error().kind(), ErrorKind::conflict);
    ASSERT_TRUE(session->input->write(as_bytes("x"), {}));
    world_.find(id)->say(*exec, "x");
    world_.find(id)->finish(*exec, 4);
    EXPECT_EQ(read_all(*session->output), "x");
    EXPECT_FALSE(engine_->inspect_exec(*exec)->running);
    EXPECT_EQ(engine_->inspect_exec(*exec)->exit_code, 4);
}

TEST_F(AttachTest, ExecOfAMissingCommand) {
    const std::string id = run();
    world_.on_start = [](const std::string&) -> Result<void> {
        return fail(ErrorKind::exec_not_found, "nope");
    };
    const auto exec = engine_->create_exec(id, {.cmd = {"foo"}});
    const auto started = engine_->start_exec(*exec, {});
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().message(), HasSubstr("OCI runtime exec failed: exec failed: "));
    EXPECT_THAT(started.error().message(), HasSubstr("executable file not found in $PATH"));
    EXPECT_EQ(engine_->inspect_exec(*exec)->exit_code, 127);
}

TEST_F(AttachTest, ExecAsNobodyThatTheGuestKnows) {
    const std::string id = run();
    for (const ErrorKind kind : {ErrorKind::invalid, ErrorKind::forbidden, ErrorKind::not_found}) {
        world_.on_start = [kind](const std::string&) -> Result<void> {
            return fail(kind, "unable to find user x: no matching entries in passwd file");
        };
        const auto exec = engine_->create_exec(id, {.cmd = {"foo"}, .user = "x"});
        const auto started = engine_->start_exec(*exec, {});
        ASSERT_FALSE(started);
        EXPECT_EQ(started.error().kind(), ErrorKind::exec_failed);
        EXPECT_EQ(started.error().message(),
                  "unable to find user x: no matching entries in passwd file");
        EXPECT_EQ(engine_->inspect_exec(*exec)->exit_code, 126);
    }
}

TEST_F(AttachTest, ExecNeedsARunningContainer) {
    const std::string id = create();
    const auto refused = engine_->create_exec(id, {.cmd = {"true"}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::conflict);
    EXPECT_EQ(refused.error().message(), "container " + id + " is not running");
    EXPECT_EQ(engine_->inspect_exec("abc").error().message(), "No such exec instance: abc");
}

TEST_F(AttachTest, ExecsEndWithTheirContainer) {
    const std::string id = run();
    const auto exec = engine_->create_exec(id, {.cmd = {"sleep"}, .attach_stdout = true});
    auto session = engine_->start_exec(*exec, {});
    world_.find(id)->lose();
    EXPECT_EQ(read_all(*session->output), "");
    EXPECT_EQ(engine_->inspect_exec(*exec)->exit_code, 137);
}

TEST_F(AttachTest, Top) {
    const std::string id = run();
    const auto full = engine_->top(id, "");
    ASSERT_TRUE(full);
    EXPECT_EQ(full->titles.front(), "UID");
    EXPECT_EQ(full->rows.at(0).back(), "/bin/sleep 5");
    const auto chosen = engine_->top(id, "-o pid,comm");
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->rows.at(0), (std::vector<std::string>{"1", "sleep"}));
    EXPECT_FALSE(engine_->top(id, "-o size"));
    EXPECT_FALSE(engine_->top(id, "--forest"));
}

}  // namespace
}  // namespace hako::engine
