#include "cli/run_trace.h"

#include "cli/program_fixture.h"

namespace hako::cli {
namespace {

WallTime at(int milliseconds) { return WallTime(std::chrono::milliseconds(milliseconds)); }

TEST(RunTraceTest, ATableIsInTheOrderOfTime) {
    EXPECT_EQ(format_trace({{"hako", "run", at(1000), at(1400)},
                            {"hakod", "inner", at(1100), at(1150)},
                            {"hakod", "outer", at(1100), at(1300)},
                            {"hako", "start hako", at(1000), at(1020)}}),
              "AT (ms)   TOOK (ms)   PROGRAM   STEP\n"
              "    0.0     400.0     hako      run\n"
              "    0.0      20.0     hako      start hako\n"
              "  100.0     200.0     hakod     outer\n"
              "  100.0      50.0     hakod     inner");
}

TEST_F(ProgramTest, TracesARun) {
    add_container(0);
    answer("GET", "/hako/v1/traces/c", 200,
           {{{"Service", "hakod"}, {"Name", "start"}, {"Begun", 5}, {"Ended", 7}}});
    serve();
    const auto file = program_.folder() / "trace.json";
    EXPECT_EQ(run({"run", "--trace", "--trace-file", file, "image"}), 0);
    EXPECT_EQ(program_.out(), "");
    for (const auto* step : {"start hako", "create", "attach", "wait for the output's end"})
        EXPECT_NE(program_.err().find(step), std::string::npos) << step << program_.err();
    const auto text = read_file(file);
    ASSERT_TRUE(text);
    const auto json = parse_json(*text);
    ASSERT_TRUE(json);
    ASSERT_EQ((*json)["resourceSpans"].size(), 2U);
    EXPECT_EQ((*json)["resourceSpans"][1]["scopeSpans"][0]["spans"][0]["startTimeUnixNano"], "5");
    EXPECT_EQ((*json)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"],
              "c0000000000000000000000000000000");
}

TEST_F(ProgramTest, ATraceThatCannotBeWrittenStartsNothing) {
    add_container(0);
    serve();
    EXPECT_EQ(run({"run", "--trace-file", program_.folder() / "none" / "trace.json", "image"}),
              125);
    EXPECT_NE(program_.err().find("none/trace.json"), std::string::npos) << program_.err();
    EXPECT_TRUE(requests().empty());
}

TEST_F(ProgramTest, TracesNothingUnasked) {
    add_container(0);
    serve();
    EXPECT_EQ(run({"run", "image"}), 0);
    EXPECT_EQ(program_.err(), "error");
    for (const auto& request : requests()) EXPECT_EQ(request.find("traces"), std::string::npos);
}

}  // namespace
}  // namespace hako::cli
