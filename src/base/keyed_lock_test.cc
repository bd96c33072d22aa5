#include "base/keyed_lock.h"

#include <gtest/gtest.h>

namespace hako {
namespace {

TEST(KeyedLock, HoldsOneKeyAndNotTheOthers) {
    KeyedLock locks;
    std::optional held = locks.lock("a");
    EXPECT_TRUE(locks.lock("b"));
    std::stop_source stop;
    stop.request_stop();
    EXPECT_FALSE(locks.lock("a", stop.get_token()));
    held.reset();
    EXPECT_TRUE(locks.lock("a"));
}

}  // namespace
}  // namespace hako
