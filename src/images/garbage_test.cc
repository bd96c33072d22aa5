#include "images/garbage.h"

#include <gtest/gtest.h>

#include <optional>

namespace hako::images {
namespace {

TEST(Garbage, IsCollectedAtOnceWhenNothingIsGoingOn) {
    int sweeps = 0;
    Garbage garbage([&] { ++sweeps; });
    garbage.collect();
    EXPECT_EQ(sweeps, 1);
}

TEST(Garbage, WaitsForTheLastLease) {
    int sweeps = 0;
    Garbage garbage([&] { ++sweeps; });
    std::optional first(garbage.lease());
    std::optional second(garbage.lease());
    garbage.collect();
    first.reset();
    EXPECT_EQ(sweeps, 0);
    second.reset();
    EXPECT_EQ(sweeps, 1);
    { const auto third = garbage.lease(); }
    EXPECT_EQ(sweeps, 1);
}

TEST(Garbage, IdleMeansThatNoLeaseIsOut) {
    Garbage garbage([] {});
    int ran = 0;
    {
        const auto lease = garbage.lease();
        EXPECT_FALSE(garbage.when_idle([&] { ++ran; }));
    }
    EXPECT_TRUE(garbage.when_idle([&] { ++ran; }));
    EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace hako::images
