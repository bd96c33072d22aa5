#include "runtime/vm_shares.h"

#include <gtest/gtest.h>

namespace hako::runtime {
namespace {

class VmSharesTest : public testing::Test {
protected:
    Result<void> take(const std::vector<vmm::Share>& wanted) {
        return shares_.take(wanted, [&](const auto& added) -> Result<void> {
            if (fails_) return fail(ErrorKind::invalid, "no");
            for (const auto& share : added) there_ += share.name;
            return {};
        });
    }
    void drop(const std::vector<vmm::Share>& dropped) {
        EXPECT_TRUE(shares_.drop(dropped, [&](const auto& removed) -> Result<void> {
            for (const auto& name : removed) std::erase(there_, name.front());
            return {};
        }));
    }

    const vmm::Share own_{.name = "o", .source = "/own", .read_only = true};
    const vmm::Share a_{.name = "a", .source = "/a"}, b_{.name = "b", .source = "/b"};
    VmShares shares_{{own_}};
    std::string there_;
    bool fails_ = false;
};

TEST_F(VmSharesTest, StaysAsLongAsSomebodyHasIt) {
    ASSERT_TRUE(take({a_, own_}));
    EXPECT_EQ(there_, "a") << "the VM has its own";
    ASSERT_TRUE(take({b_, a_}));
    EXPECT_EQ(there_, "ab");
    drop({a_, own_});
    EXPECT_EQ(there_, "ab");
    drop({b_, a_});
    EXPECT_EQ(there_, "");
    ASSERT_TRUE(take({a_}));
    EXPECT_EQ(there_, "a");
}

TEST_F(VmSharesTest, IsWritableOnceSomebodyWrites) {
    auto writable = own_;
    writable.read_only = false;
    ASSERT_TRUE(take({b_, writable}));
    EXPECT_EQ(there_, "bo");
    ASSERT_TRUE(take({writable, own_}));
    EXPECT_EQ(there_, "bo") << "it is so already";
    auto reader = b_;
    reader.read_only = true;
    ASSERT_TRUE(take({reader}));
    ASSERT_TRUE(take({b_}));
    EXPECT_EQ(there_, "bo") << "who only reads takes nothing away";
}

TEST_F(VmSharesTest, AVmThatIsStartedAnewHasItsOwnOnly) {
    ASSERT_TRUE(take({a_, own_}));
    there_.clear();
    shares_.restart({own_});
    ASSERT_TRUE(take({a_, own_}));
    EXPECT_EQ(there_, "a");
}

TEST_F(VmSharesTest, WhatFailedIsNotThere) {
    fails_ = true;
    EXPECT_FALSE(take({a_}));
    fails_ = false;
    ASSERT_TRUE(take({a_}));
    EXPECT_EQ(there_, "a");
}

}  // namespace
}  // namespace hako::runtime
