// Processes: exit statuses, streams, terminals, signals.
#include <signal.h>

#include <chrono>
#include <random>
#include <sstream>
#include <thread>

#include "init/tests/agent_fixture.h"

namespace hako::init {
namespace {

using namespace std::chrono_literals;
using guest::ProcessId;

class ProcessTest : public AgentTest {
protected:
    void expect_failure(const std::string& program, ErrorKind kind, const std::string& text) {
        const auto finished = run(process_spec({program}), "failing");
        ASSERT_FALSE(finished) << program;
        EXPECT_EQ(finished.error().kind(), kind) << finished.error().message();
        EXPECT_EQ(finished.error().message(), text);
        (void)agent().delete_process({kContainer, "failing"});
    }
};

TEST_F(ProcessTest, ExitStatusesArriveAsTheyAre) {
    run_sleeper();
    EXPECT_EQ(run(process_spec({"true"}), "p1")->exit.code, 0);
    EXPECT_EQ(run(process_spec({"/bin/false"}), "p2")->exit.code, 1);
    EXPECT_EQ(run(script("exit 42"), "p3")->exit.code, 42);
    const auto killed = run(script("kill -9 $$"), "p4");
    EXPECT_EQ(killed->exit.code, 137);
    EXPECT_EQ(killed->exit.signal, SIGKILL);
    EXPECT_FALSE(killed->exit.oom_killed);
    EXPECT_LT(now() - killed->exit.exited_at, 60s);
}

TEST_F(ProcessTest, TheFirstProcessIsPid1AndEndsTheContainer) {
    create_container(container_spec());
    const auto first = run_first(script("echo $$; echo oops >&2; exit 7"));
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_EQ(first->out, "1\n");
    EXPECT_EQ(first->err, "oops\n");
    EXPECT_EQ(first->exit.code, 7);
    const auto late = run(process_spec({"true"}), "late");
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().kind(), ErrorKind::conflict) << late.error().message();
}

TEST_F(ProcessTest, WhatCannotBeExecutedIsSaidAsDockerSaysIt) {
    ASSERT_TRUE(write_file(rootfs() / "script", "echo no interpreter", 0755));
    ASSERT_TRUE(write_file(rootfs() / "orphan", "#!/no/such/interpreter\n", 0755));
    run_sleeper();
    expect_failure("nope", ErrorKind::exec_not_found,
                   "exec: \"nope\": executable file not found in $PATH");
    expect_failure("/nope", ErrorKind::exec_not_found,
                   "exec: \"/nope\": stat /nope: no such file or directory");
    expect_failure("/etc/passwd", ErrorKind::exec_failed,
                   "exec: \"/etc/passwd\": permission denied");
    expect_failure("/etc", ErrorKind::exec_failed, "exec: \"/etc\": is a directory");
    expect_failure("/script", ErrorKind::exec_failed, "exec /script: exec format error");
    expect_failure("/orphan", ErrorKind::exec_not_found, "exec /orphan: no such file or directory");
}

TEST_F(ProcessTest, BytesOfStandardInputArriveUnchanged) {
    run_sleeper();
    std::string data(24 << 20, '\0');
    std::mt19937_64 random(1);
    for (auto& byte : data) byte = static_cast<char>(random());
    const auto finished = run(process_spec({"cat"}), "p", data);
    ASSERT_TRUE(finished) << finished.error().message();
    EXPECT_TRUE(finished->out == data) << finished->out.size();
    EXPECT_EQ(finished->exit.code, 0);
}

TEST_F(ProcessTest, AProcessThatDoesNotReadBlocksNobodyElse) {
    run_sleeper();
    const ProcessId id{kContainer, "deaf"};
    auto stdio = agent().create_process({id, dump_json(process_spec({"sleep", "1000"})), "", true});
    ASSERT_TRUE(stdio) << stdio.error().message();
    ASSERT_TRUE(agent().start_process(id));
    std::jthread writer([&] { (void)stdio->write(as_bytes(std::string(4 << 20, 'x'))); });
    std::this_thread::sleep_for(200ms);
    EXPECT_EQ(run(process_spec({"true"}), "other")->exit.code, 0);
    ASSERT_TRUE(agent().signal(id, SIGTERM));
    EXPECT_TRUE(collect(*stdio));
    EXPECT_EQ(agent().wait(id)->code, 128 + SIGTERM);
}

TEST_F(ProcessTest, ASlowReaderSlowsTheWriterAndLosesNothing) {
    run_sleeper();
    const ProcessId id{kContainer, "writer"};
    auto stdio = agent().create_process(
        {id, dump_json(process_spec({"dd", "if=/dev/zero", "bs=64k", "count=400"}))});
    ASSERT_TRUE(stdio);
    ASSERT_TRUE(agent().start_process(id));
    std::stop_source stop;
    std::atomic<bool> ended = false;
    std::jthread waiter([&] { ended = agent().wait(id, stop.get_token()).has_value(); });
    std::this_thread::sleep_for(500ms);
    EXPECT_FALSE(ended) << "26 MB were written although nobody read";
    EXPECT_EQ(collect(*stdio)->out.size(), 400U * 64 * 1024);
    waiter.join();
    EXPECT_TRUE(ended);
}

TEST_F(ProcessTest, ABackgroundChildDoesNotHoldAnExec) {
    run_sleeper();
    const auto begin = std::chrono::steady_clock::now();
    const auto finished = run(script("sleep 1000 & echo done"), "p");
    ASSERT_TRUE(finished) << finished.error().message();
    EXPECT_EQ(finished->out, "done\n");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

TEST_F(ProcessTest, OutputThatNobodyWantsIsDropped) {
    run_sleeper();
    const ProcessId id{kContainer, "p"};
    ASSERT_TRUE(agent().create_process({id, dump_json(script("echo hello"))}));
    ASSERT_TRUE(agent().start_process(id));
    EXPECT_EQ(agent().wait(id)->code, 0);
}

TEST_F(ProcessTest, OneThatClosesItsOutputStillHasAnEnd) {
    run_sleeper();
    const auto finished = run(script("exec >&- 2>&-; sleep 0.2; exit 7"), "p");
    ASSERT_TRUE(finished) << finished.error().message();
    EXPECT_EQ(finished->exit.code, 7);
}

TEST_F(ProcessTest, OneThatIsDeletedBeforeItsStartIsGone) {
    run_sleeper();
    const ProcessId id{kContainer, "p"};
    auto stdio = agent().create_process({id, dump_json(process_spec({"true"}))});
    ASSERT_TRUE(stdio);
    ASSERT_TRUE(agent().delete_process(id));
    EXPECT_EQ(collect(*stdio)->exit.signal, SIGKILL);
    EXPECT_EQ(run(process_spec({"true"}), "p")->exit.code, 0) << "the name is free again";
}

TEST_F(ProcessTest, ATerminalHasASizeAndANameAndSignals) {
    run_sleeper();
    auto process = script("tty; stty size; read line; stty size; echo got $line; cat");
    process["terminal"] = true;
    process["consoleSize"] = {{"width", 100}, {"height", 30}};
    const ProcessId id{kContainer, "tty"};
    auto stdio = agent().create_process({id, dump_json(process), "", true});
    ASSERT_TRUE(stdio) << stdio.error().message();
    ASSERT_TRUE(agent().start_process(id));
    std::string out;
    while (out.find("30 100") == std::string::npos) {
        const auto output = stdio->read();
        ASSERT_TRUE(output && *output) << out;
        out += (*output)->data;
    }
    EXPECT_NE(out.find("/dev/pts/0"), std::string::npos) << out;
    ASSERT_TRUE(agent().resize(id, 132, 43));
    ASSERT_TRUE(stdio->write(as_bytes("hello\n")));
    while (out.find("got hello") == std::string::npos) {
        const auto output = stdio->read();
        ASSERT_TRUE(output && *output) << out;
        out += (*output)->data;
    }
    EXPECT_NE(out.find("43 132"), std::string::npos) << out;
    ASSERT_TRUE(stdio->write(as_bytes("\x03")));  // ^C
    EXPECT_TRUE(collect(*stdio));
    EXPECT_EQ(agent().wait(id)->code, 128 + SIGINT);
}

TEST_F(ProcessTest, WhatIsWrongIsToldBehindATerminalToo) {
    run_sleeper();
    auto process = script("true");
    process["terminal"] = true;
    process["user"] = {{"username", "nobody"}};
    EXPECT_EQ(output_of(process, "tty"),
              "error: unable to find user nobody: no matching entries in passwd file");
}

TEST_F(ProcessTest, WrongNamesAreErrors) {
    run_sleeper();
    EXPECT_EQ(agent().start_process({kContainer, "no"}).error().kind(), ErrorKind::not_found);
    EXPECT_EQ(agent().create_process({{"no", "no"}, "{}"}).error().kind(), ErrorKind::not_found);
    EXPECT_EQ(agent().wait({kContainer, "no"}).error().kind(), ErrorKind::not_found);
    EXPECT_EQ(agent().create_process({{kContainer, "../x"}, "{}"}).error().kind(),
              ErrorKind::invalid);
    EXPECT_EQ(agent().create_process({{kContainer, "x"}, "{"}).error().kind(), ErrorKind::invalid);
    EXPECT_EQ(agent().create_process({{kContainer, "x"}, "{}"}).error().kind(), ErrorKind::invalid);
    EXPECT_EQ(agent().resize({kContainer, kContainer}, 1, 1).error().kind(), ErrorKind::conflict);
    EXPECT_EQ(agent().start_process({kContainer, kContainer}).error().kind(), ErrorKind::conflict);
}

TEST_F(ProcessTest, OrphansAreReaped) {
    // Without a pid namespace they become vminitd's children.
    auto spec = container_spec();
    spec["linux"]["namespaces"] = {{{"type", "mount"}}};
    create_container(spec);
    const auto finished = run_first(script("(sleep 0.1 &) ; (sleep 0.1 &) ; exit 0"));
    ASSERT_TRUE(finished) << finished.error().message();
    const auto path = fmt::format("/proc/{0}/task/{0}/children", agent_pid());
    std::string children = "?";
    for (int attempt = 0; attempt < 100 && !children.empty(); ++attempt) {
        std::this_thread::sleep_for(50ms);
        children = read_file(path).value_or("?");
    }
    EXPECT_EQ(children, "");
}

TEST_F(ProcessTest, WaitCanBeGivenUp) {
    run_sleeper();
    std::stop_source stop;
    std::jthread stopper([&] {
        std::this_thread::sleep_for(100ms);
        stop.request_stop();
    });
    const auto waited = agent().wait({kContainer, kContainer}, stop.get_token());
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().kind(), ErrorKind::cancelled);
}

}  // namespace
}  // namespace hako::init
