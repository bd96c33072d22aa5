#include "base/thread.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/guarded.h"

namespace hako {
namespace {

TEST(RunGuarded, CatchesEverything) {
    EXPECT_TRUE(run_guarded("test", [] {}));
    EXPECT_FALSE(run_guarded("test", [] { throw std::runtime_error("boom"); }));
    EXPECT_FALSE(run_guarded("test", [] { throw 7; }));
}

TEST(StartThread, StopsAndJoinsAtItsEnd) {
    Guarded<int> rounds(0);
    {
        const auto thread = start_thread("counter", [&](std::stop_token stop) {
            while (!stop.stop_requested()) ++*rounds.lock();
        });
        while (*rounds.lock() < 10) std::this_thread::yield();
    }
    EXPECT_GE(*rounds.lock(), 10);
}

}  // namespace
}  // namespace hako
