#include "engine/memory_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace hako::engine {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class MemoryWatchTest : public ::testing::Test {
protected:
    struct FakeGuest {
        std::uint64_t caches = 0;
        milliseconds busy{0};
        bool answers = true;
    };
    MemoryWatch watch_{
        {.guests = [this] { return guests(); }, .is_memory_short = [this] { return is_short_; }}};

    std::vector<MemoryWatch::Guest> guests() {
        std::vector<MemoryWatch::Guest> list;
        for (auto& [name, guest] : guests_)
            list.push_back({name, guest.busy,
                            [&, vm = name](std::uint64_t bytes) { return reclaim(vm, bytes); }});
        return list;
    }
    Result<std::uint64_t> reclaim(const std::string& vm, std::uint64_t bytes) {
        asked_.push_back(vm);
        if (ends_after_ == asked_.size()) is_short_ = false;
        FakeGuest& guest = guests_[vm];
        if (!guest.answers) return fail(ErrorKind::conflict, "it is paused");
        const auto given = std::min(bytes, guest.caches);
        guest.caches -= given;
        return given;
    }
    std::vector<std::string> look() {
        asked_.clear();
        watch_.look();
        return asked_;
    }

    std::map<std::string, FakeGuest> guests_;
    std::vector<std::string> asked_;
    bool is_short_ = true;
    std::size_t ends_after_ = 0;
};

TEST_F(MemoryWatchTest, NobodyIsAskedWhileThereIsPlenty) {
    guests_ = {{"a", {.caches = 100 * kMiB}}};
    is_short_ = false;
    EXPECT_THAT(look(), IsEmpty());
    EXPECT_EQ(guests_["a"].caches, 100 * kMiB);
}

TEST_F(MemoryWatchTest, EachGivesAStepAtALook) {
    guests_ = {{"a", {.caches = 100 * kMiB}}, {"b", {.caches = 100 * kMiB}}};
    EXPECT_THAT(look(), ElementsAre("a", "b"));
    EXPECT_EQ(guests_["a"].caches, 100 * kMiB - MemoryWatch::kStep);
    look();
    EXPECT_EQ(guests_["b"].caches, 100 * kMiB - 2 * MemoryWatch::kStep);
}

TEST_F(MemoryWatchTest, ThoseThatDidLeastComeFirst) {
    guests_ = {{"a", {.caches = 1000 * kMiB, .busy = milliseconds(5000)}},
               {"b", {.caches = 1000 * kMiB, .busy = milliseconds(9000)}}};
    look();
    guests_["a"].busy += milliseconds(900);
    guests_["b"].busy += milliseconds(10);
    EXPECT_THAT(look(), ElementsAre("b", "a"));
}

TEST_F(MemoryWatchTest, ItEndsWithTheShortage) {
    guests_ = {{"a", {.caches = 100 * kMiB}}, {"b", {.caches = 100 * kMiB}}};
    ends_after_ = 1;
    EXPECT_THAT(look(), ElementsAre("a"));
    EXPECT_THAT(look(), IsEmpty());
}

TEST_F(MemoryWatchTest, WhoHasNothingOrDoesNotAnswerIsLeftAlone) {
    guests_ = {{"a", {.caches = 1000}}, {"b", {.answers = false}}, {"c", {.caches = 9999 * kMiB}}};
    EXPECT_THAT(look(), ElementsAre("a", "b", "c"));
    for (int i = 1; i < MemoryWatch::kRest; ++i) EXPECT_THAT(look(), ElementsAre("c"));
    EXPECT_THAT(look(), ElementsAre("a", "b", "c"));
    EXPECT_THAT(look(), ElementsAre("c"));
    // In the next shortage it may have some again.
    is_short_ = false;
    look();
    is_short_ = true;
    EXPECT_THAT(look(), ElementsAre("a", "b", "c"));
}

}  // namespace
}  // namespace hako::engine
