#include "base/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>

namespace hako {
namespace {

using namespace std::chrono_literals;

TEST(Run, CollectsBothStreamsAndTheStatus) {
    const auto output = run({.argv = {"sh", "-c", "cat; echo bad >&2; exit 3"}}, 10s, "good");
    ASSERT_TRUE(output);
    EXPECT_EQ(output->out, "good");
    EXPECT_EQ(output->err, "bad\n");
    EXPECT_EQ(output->status.code, 3);
}

TEST(Run, TakesInputLargerThanAnyPipe) {
    const std::string input(5U << 20U, 'x');
    const auto output = run({.argv = {"wc", "-c"}}, 10s, input);
    ASSERT_TRUE(output);
    EXPECT_EQ(std::stoul(output->out), input.size());
}

TEST(Run, KillsPastTheDeadline) {
    const auto output = run({.argv = {"sleep", "60"}}, 50ms);
    ASSERT_FALSE(output);
    EXPECT_EQ(output.error().kind(), ErrorKind::deadline);
}

TEST(Spawn, SaysWhatIsMissing) {
    const auto process = spawn({.argv = {"no-such-program-of-hako"}});
    ASSERT_FALSE(process);
    EXPECT_EQ(process.error().kind(), ErrorKind::not_found);
}

TEST(Spawn, MapsDescriptorsThatOverlap) {
    auto first = make_pipe();
    auto second = make_pipe();
    // Each one's source is the other's target.
    auto process = spawn({.argv = {"sh", "-c",
                                   fmt::format("echo one >&{}; echo two >&{}", second->second.get(),
                                               first->second.get())}},
                         {{.source = first->second.get(), .target = second->second.get()},
                          {.source = second->second.get(), .target = first->second.get()}});
    ASSERT_TRUE(process);
    EXPECT_TRUE((*process->wait())->success());
    std::array<std::byte, 16> buffer{};
    EXPECT_EQ(as_text(std::span(buffer).first(*read_some(first->first.get(), buffer))), "one\n");
    EXPECT_EQ(as_text(std::span(buffer).first(*read_some(second->first.get(), buffer))), "two\n");
}

// What whoever started us had open came to us without CLOEXEC.
TEST(Spawn, NothingElseThatIsOpenIsTheChilds) {
    auto pipe = make_pipe();
    auto output = make_pipe();
    ASSERT_TRUE(pipe && output);
    std::vector<Fd> inherited;
    for (const int lowest : {4, 40, 400})
        inherited.emplace_back(::fcntl(pipe->first.get(), F_DUPFD, lowest));
    auto process =
        spawn({.argv = {"ls", "/proc/self/fd"}}, {{.source = output->second.get(), .target = 1},
                                                  {.source = pipe->first.get(), .target = 50}});
    ASSERT_TRUE(process);
    output->second.reset();
    std::array<std::byte, 4096> text{};
    const auto count = read_full(output->first.get(), text);
    ASSERT_TRUE(count);
    EXPECT_EQ(as_text(std::span(text).first(*count)), "0\n1\n2\n3\n50\n");  // 3 is ls' own
}

TEST(Process, StopAsksThenKills) {
    auto polite = spawn({.argv = {"sleep", "60"}});
    EXPECT_EQ(polite->stop(5s)->signal, SIGTERM);
    auto ready = make_pipe();
    auto deaf =
        spawn({.argv = {"sh", "-c", "trap '' TERM; echo; exec >&-; while :; do sleep 60; done"}},
              {{.source = ready->second.get(), .target = 1}});
    EXPECT_TRUE(*wait_readable(ready->first.get(), 10s));  // the trap is set
    EXPECT_EQ(deaf->stop(50ms)->signal, SIGKILL);
}

TEST(ProcessIdentity, IsNotFooledByAnotherProcess) {
    auto process = spawn({.argv = {"sleep", "60"}});
    auto identity = *identify_process(process->pid());
    EXPECT_TRUE(is_alive(identity));
    auto other = identity;
    other.start_time += 1;
    EXPECT_FALSE(is_alive(other));
    EXPECT_TRUE(kill_process(other, 1s));  // not that process: untouched
    EXPECT_TRUE(is_alive(identity));
    EXPECT_TRUE(kill_process(identity, 5s));
    EXPECT_EQ((*process->wait())->signal, SIGKILL);
}

TEST(ToShell, QuotesWhatAShellWouldSplit) {
    EXPECT_EQ(to_shell({.argv = {"a", "b c", "it's", ""}, .extra_environment = {{"X", "1 2"}}}),
              "X='1 2' a 'b c' 'it'\\''s' ''");
}

TEST(Identity, AProcessThatNobodyReapedIsNotAlive) {
    const auto process = spawn({.argv = {"true"}});
    ASSERT_TRUE(process);
    const auto identity = identify_process(process->pid());
    ASSERT_TRUE(identity);
    ASSERT_TRUE(*wait_readable(process->pidfd(), std::chrono::milliseconds(5000)));
    EXPECT_FALSE(is_alive(*identity));
}

}  // namespace
}  // namespace hako
