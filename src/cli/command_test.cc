#include "cli/command.h"

#include <fcntl.h>

#include <gtest/gtest.h>

#include "cli/test_program.h"

namespace hako::cli {
namespace {

struct Seen {
    bool tty = false, proxy = true;
    std::string name;
    std::vector<std::string> environment;
    std::optional<std::int64_t> number;
    std::vector<std::string> arguments;
};

// A command with a flag of each kind, run with `arguments`.
struct Probe {
    explicit Probe(bool stops = true) {
        command.flag("-t,--tty", seen.tty, "A switch");
        command.flag("-i,--interactive", interactive, "Another switch");
        command.flag("--sig-proxy", seen.proxy, "A switch that is on");
        command.option("-n,--name", seen.name, "A text");
        command.option("-e,--env", seen.environment, "A list");
        command.option("--number", seen.number, "A number");
        command.arguments("THING [ARG...]", 1, 3);
        if (stops) command.stop_at_first_argument();
        command.action([this](Session&, const auto& arguments) -> Result<int> {
            seen.arguments = arguments;
            return 7;
        });
    }
    int run(const std::vector<std::string>& arguments) { return program.run(command, arguments); }

    Seen seen;
    bool interactive = false;
    Command command{"probe", "Tries things"};
    TestProgram program;
};

TEST(Command, ReadsFlagsAsDockerDoes) {
    Probe probe;
    EXPECT_EQ(probe.run({"-ti", "-eA=1", "-e", "B=", "--env=C", "--name", "x", "--name=y",
                         "--sig-proxy=false", "--number", "-1", "image", "-t", "--name=z"}),
              7);
    EXPECT_TRUE(probe.seen.tty);
    EXPECT_TRUE(probe.interactive);
    EXPECT_FALSE(probe.seen.proxy);
    EXPECT_EQ(probe.seen.environment, (std::vector<std::string>{"A=1", "B=", "C"}));
    EXPECT_EQ(probe.seen.name, "y");
    EXPECT_EQ(probe.seen.number, -1);
    EXPECT_EQ(probe.seen.arguments, (std::vector<std::string>{"image", "-t", "--name=z"}));
}

TEST(Command, KeepsEmptyValues) {
    Probe probe;
    probe.seen.name = "before";
    EXPECT_EQ(probe.run({"--name=", "image", "--x="}), 7);
    EXPECT_EQ(probe.seen.name, "");
    EXPECT_EQ(probe.seen.arguments, (std::vector<std::string>{"image", "--x="}));
    EXPECT_EQ(probe.run({"--name", "", "", "[a,b]", "++"}), 7);
    EXPECT_EQ(probe.seen.arguments, (std::vector<std::string>{"", "[a,b]", "++"}));
}

TEST(Command, ReadsFlagsBehindArgumentsUnlessToldOtherwise) {
    Probe probe(false);
    EXPECT_EQ(probe.run({"a", "-t", "b"}), 7);
    EXPECT_TRUE(probe.seen.tty);
    EXPECT_EQ(probe.seen.arguments, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(Probe(false).run({"a", "--", "-x"}), 7);
}

TEST(Command, EndsFlagsAtTwoDashes) {
    Probe probe;
    EXPECT_EQ(probe.run({"--", "--tty", "--"}), 7);
    EXPECT_FALSE(probe.seen.tty);
    EXPECT_EQ(probe.seen.arguments, (std::vector<std::string>{"--tty", "--"}));
}

struct Refusal {
    std::vector<std::string> arguments;
    const char* message;
    int status;
};

class CommandRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(CommandRefuses, WithDockersWords) {
    Probe probe;
    EXPECT_EQ(probe.run(GetParam().arguments), GetParam().status);
    EXPECT_TRUE(probe.program.err().starts_with(GetParam().message)) << probe.program.err();
    EXPECT_NE(probe.program.err().find("Run 'probe --help' for more information"),
              std::string::npos);
    EXPECT_EQ(probe.program.out(), "");
}

INSTANTIATE_TEST_SUITE_P(
    All, CommandRefuses,
    testing::Values(Refusal{{"--nosuch=1", "a"}, "unknown flag: --nosuch\n", 125},
                    Refusal{{"-tz", "a"}, "unknown shorthand flag: 'z' in -z\n", 125},
                    Refusal{{"--name"}, "flag needs an argument: --name\n", 125},
                    Refusal{
                        {"--number", "x", "a"},
                        "invalid argument \"x\" for \"--number\" flag: it is not a whole number",
                        125},
                    Refusal{{"--tty=perhaps", "a"}, "invalid argument", 125},
                    Refusal{{}, "hako: 'probe' requires at least 1 argument\n", 1},
                    Refusal{{"a", "b", "c", "d"}, "hako: 'probe' accepts at most 3 arguments", 1}));

TEST(Command, ShowsHelp) {
    Probe probe;
    EXPECT_EQ(probe.run({"--help"}), 0);
    const auto help = probe.program.out();
    EXPECT_TRUE(help.starts_with("Usage:  probe [OPTIONS] THING [ARG...]\n\nTries things\n"));
    EXPECT_NE(help.find("  -n, --name string"), std::string::npos) << help;
    EXPECT_NE(help.find("      --sig-proxy"), std::string::npos) << help;
}

TEST(Command, FindsChildrenAndSuggestsThem) {
    TestProgram program;
    Command root("hako", "Everything");
    Command child("pull", "Pulls");
    child.arguments("", 0, 0).action([](Session&, const auto&) -> Result<int> { return 3; });
    root.add(std::move(child));
    EXPECT_EQ(program.run(root, {"pull"}), 3);
    EXPECT_EQ(program.run(root, {"pul"}), 1);
    EXPECT_EQ(program.err(),
              "hako: unknown command: hako pul\n\nDid you mean 'hako pull'?\n\n"
              "Run 'hako --help' for more information\n");
    EXPECT_EQ(program.run(root, {"pull", "extra"}), 1);
    EXPECT_TRUE(program.err().starts_with("hako: 'hako pull' accepts no arguments"));
}

TEST(Command, MapsErrorsToStatuses) {
    TestProgram program;
    for (const auto& [kind, plain, prefixed] : {std::tuple{ErrorKind::not_found, 1, 125},
                                                {ErrorKind::exec_not_found, 1, 127},
                                                {ErrorKind::exec_failed, 1, 126}}) {
        Command command("c", "Fails");
        command.action([kind = kind](Session&, const auto&) -> Result<int> {
            return fail(kind, "went wrong");
        });
        EXPECT_EQ(program.run(command, {}), plain);
        EXPECT_EQ(program.err(), "went wrong\n");
        command.failing_with(125);
        EXPECT_EQ(program.run(command, {}), prefixed);
        EXPECT_TRUE(program.err().starts_with("hako: went wrong\n"));
    }
}

}  // namespace
}  // namespace hako::cli
