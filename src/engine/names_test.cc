#include "engine/names.h"

#include <gtest/gtest.h>

#include <csignal>
#include <set>

namespace hako::engine {
namespace {

TEST(ContainerName, DockersRule) {
    EXPECT_EQ(*check_container_name("/web-1"), "web-1");
    EXPECT_EQ(*check_container_name("a.b_c-D9"), "a.b_c-D9");
    for (const char* bad : {"", "/", "a", "-a", ".hidden", "a b", "a/b", "näme", "//ab"})
        EXPECT_EQ(check_container_name(bad).error().kind(), ErrorKind::invalid) << bad;
    EXPECT_FALSE(check_container_name(std::string(64 * 1024, 'a')));
    EXPECT_LT(check_container_name(std::string(64 * 1024, '!')).error().message().size(), 1024U);
}

TEST(ContainerName, RandomOnesAreValidAndMany) {
    std::set<std::string> names;
    for (int i = 0; i < 100; ++i) {
        names.insert(random_container_name(0));
        EXPECT_TRUE(check_container_name(*names.rbegin()));
    }
    EXPECT_GT(names.size(), 50U);
    EXPECT_TRUE(random_container_name(7).ends_with("7"));
}

TEST(Signal, NamesAndNumbers) {
    EXPECT_EQ(*parse_signal("SIGTERM"), SIGTERM);
    EXPECT_EQ(*parse_signal("kill"), SIGKILL);
    EXPECT_EQ(*parse_signal("9"), SIGKILL);
    EXPECT_EQ(*parse_signal("SIGRTMIN+3"), 37);
    EXPECT_EQ(*parse_signal("RTMAX-1"), 63);
    for (const char* bad : {"", "0", "65", "-1", "SIGFOO", "9x", "RTMIN-1", "RTMIN+99"})
        EXPECT_EQ(parse_signal(bad).error().kind(), ErrorKind::invalid) << bad;
}

}  // namespace
}  // namespace hako::engine
