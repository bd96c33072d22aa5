#include "engine/health.h"

#include <gmock/gmock.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

HealthCheck check_of(const Json& object) {
    auto check = parse_health_check(object);
    EXPECT_TRUE(check) << check.error().message();
    return check.value_or(HealthCheck());
}

TEST(HealthCheck, ReadsDockersObject) {
    const auto check = check_of(
        {{"Test", {"CMD-SHELL", "true || false"}}, {"Interval", 2'000'000'000}, {"Retries", 4}});
    EXPECT_THAT(health_command(check), ElementsAre("/bin/sh", "-c", "true || false"));
    EXPECT_EQ(health_interval(check, {}, 0s), 2s);
    EXPECT_EQ(health_timeout(check), 30s);
    EXPECT_THAT(health_command(check_of({{"Test", {"CMD", "ls", "-l"}}})), ElementsAre("ls", "-l"));
    for (const Json& bad :
         {Json({{"Test", {"RUN", "x"}}}), Json({{"Test", {"CMD"}}}), Json({{"Test", "true"}}),
          Json({{"Interval", 5}}), Json({{"Timeout", -1}}), Json({{"Retries", -1}})})
        EXPECT_FALSE(parse_health_check(bad)) << bad.dump();
}

TEST(HealthCheck, MergesWithTheImages) {
    const auto image = check_of({{"Test", {"CMD", "a"}}, {"Interval", 2'000'000'000}});
    HealthCheck mine;
    mine.retries = 7;
    const auto merged = merge_health_check(mine, image);
    ASSERT_TRUE(merged);
    EXPECT_THAT(merged->test, ElementsAre("CMD", "a"));
    EXPECT_EQ(merged->interval, 2s);
    EXPECT_EQ(merged->retries, 7);
    EXPECT_FALSE(merge_health_check(mine, {}));
    EXPECT_FALSE(merge_health_check({}, {}));
}

TEST(HealthCheck, CountsFailuresBehindTheStartPeriod) {
    const auto check =
        check_of({{"Test", {"CMD", "a"}}, {"StartPeriod", 10'000'000'000}, {"Retries", 2}});
    HealthState state;
    EXPECT_EQ(health_interval(check, state, 1s), 5s) << "while it starts";
    EXPECT_EQ(health_interval(check, state, 11s), 30s);
    const auto probe = [&](std::chrono::seconds after, int code) {
        // Whatever the host's clock said.
        return apply_probe(check, {.start = WallTime(after * 1000), .exit_code = code}, after,
                           state);
    };
    EXPECT_FALSE(probe(1s, 1));
    EXPECT_EQ(state.failing_streak, 0);
    EXPECT_TRUE(probe(2s, 0)) << "one success is enough";
    EXPECT_EQ(state.status, Health::healthy);
    EXPECT_FALSE(probe(3s, 1)) << "what was healthy starts no more";
    EXPECT_EQ(state.failing_streak, 1);
    EXPECT_TRUE(probe(4s, 2));
    EXPECT_EQ(state.status, Health::unhealthy);
    for (int i = 0; i < 5; ++i) probe(20s, 0);
    EXPECT_EQ(state.log.size(), 5U);
    EXPECT_EQ(state.status, Health::healthy);
}

class HealthTest : public EngineTest {
protected:
    std::string run_checked(const Json& check) {
        CreateRequest wanted = request("box");
        wanted.config.healthcheck = check_of(check);
        const std::string id = create(wanted);
        EXPECT_TRUE(engine_->start(id));
        return id;
    }
    // Ends the next probe; its output is what the fake said.
    void answer(const std::string& id, int code) {
        const auto sandbox = world_.find(id);
        std::string probe;
        wait_for([&] {
            const std::lock_guard lock(sandbox->mutex);
            for (const auto& [name, process] : sandbox->processes)
                if (!name.empty() && process.started && !process.exit) probe = name;
            return !probe.empty();
        });
        sandbox->say(probe, "looked");
        sandbox->finish(probe, code);
    }
    std::optional<HealthState> health(const std::string& id) {
        return engine_->inspect(id)->health;
    }
};

TEST_F(HealthTest, ProbesTellHowItIs) {
    const std::string id =
        run_checked({{"Test", {"CMD", "look"}}, {"Interval", 1'000'000}, {"Retries", 1}});
    EXPECT_EQ(health(id)->status, Health::starting);
    answer(id, 0);
    wait_for([&] { return health(id)->status == Health::healthy; });
    EXPECT_EQ(health(id)->log.front().output, "looked");
    EXPECT_EQ(engine_->list({.healths = {"healthy"}})->size(), 1U);
    EXPECT_TRUE(engine_->list({.healths = {"none"}})->empty());
    answer(id, 1);
    wait_for([&] { return health(id)->status == Health::unhealthy; });
    ASSERT_TRUE(engine_->remove(id, {.force = true}));
}

TEST_F(HealthTest, AProbeThatTheEndCutOffIsNoVerdict) {
    const std::string id =
        run_checked({{"Test", {"CMD", "look"}}, {"Interval", 1'000'000}, {"Retries", 1}});
    const auto sandbox = world_.find(id);
    answer(id, 137);
    sandbox->finish("", 0);
    wait(id);
    EXPECT_EQ(health(id)->status, Health::starting);
    EXPECT_TRUE(health(id)->log.empty());
}

TEST_F(HealthTest, AProbeThatTakesTooLongFails) {
    const std::string id = run_checked({{"Test", {"CMD", "look"}},
                                        {"Interval", 1'000'000},
                                        {"Timeout", 1'000'000},
                                        {"Retries", 1}});
    wait_for([&] { return health(id)->status == Health::unhealthy; });
    EXPECT_EQ(health(id)->log.front().exit_code, -1);
    EXPECT_THAT(health(id)->log.front().output, HasSubstr("exceeded timeout (1 ms)"));
}

TEST_F(HealthTest, NoneDisablesTheImages) {
    const std::string id = run_checked({{"Test", {"NONE"}}});
    EXPECT_FALSE(health(id));
}

}  // namespace
}  // namespace hako::engine
