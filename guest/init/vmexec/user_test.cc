#include "init/vmexec/user.h"

#include <gmock/gmock.h>

namespace hako::init {
namespace {

using testing::ElementsAre;

const Accounts kAccounts{
    "# comment\nroot:x:0:0:root:/root:/bin/sh\nbroken line\nbad:x:many:0::/:/bin/sh\n"
    "web:x:1001:1002:web:/home/web:/bin/sh\n1234:x:5:5::/five:/bin/sh\n",
    "root:x:0:root\nweb:x:1002:\nmedia:x:1003:web,other\nlate:x:1004:other,web"};

std::string error_of(std::string_view name) {
    return find_user(name, 0, kAccounts).error().message();
}

TEST(User, NamesAndNumbersMeanTheSameAccount) {
    for (const char* name : {"web", "1001"}) {
        const auto user = find_user(name, 0, kAccounts);
        ASSERT_TRUE(user) << name;
        EXPECT_EQ(user->uid, 1001U);
        EXPECT_EQ(user->gid, 1002U);
        EXPECT_EQ(user->home, "/home/web");
        EXPECT_THAT(user->groups, ElementsAre(1003U, 1004U));
    }
}

TEST(User, ANumberIsAlwaysAnId) {
    const auto user = find_user("1234", 0, kAccounts);
    EXPECT_EQ(user->uid, 1234U);
    EXPECT_EQ(user->gid, 0U);
    EXPECT_EQ(user->home, "/");
}

TEST(User, AGroupReplacesAllOthers) {
    EXPECT_EQ(find_user("web:media", 0, kAccounts)->gid, 1003U);
    EXPECT_THAT(find_user("web:media", 0, kAccounts)->groups, ElementsAre());
    EXPECT_EQ(find_user("web:77", 0, kAccounts)->gid, 77U);
    EXPECT_EQ(find_user(":media", 1001, kAccounts)->uid, 1001U);
}

TEST(User, WithoutFilesNumbersWork) {
    EXPECT_EQ(find_user("5:6", 0, {})->gid, 6U);
    EXPECT_EQ(find_user("", 0, {})->uid, 0U);
    EXPECT_EQ(find_user("", 0, {})->home, "/");
    EXPECT_FALSE(find_user("root", 0, {}));
}

TEST(User, ErrorsSayWhatIsMissing) {
    EXPECT_EQ(error_of("nope"), "unable to find user nope: no matching entries in passwd file");
    EXPECT_EQ(error_of("web:nope"), "unable to find group nope: no matching entries in group file");
    EXPECT_EQ(error_of("-1"), "uids and gids must be in range 0-2147483647");
    EXPECT_EQ(error_of("4294967296"), "uids and gids must be in range 0-2147483647");
    EXPECT_EQ(error_of("0:2147483648"), "uids and gids must be in range 0-2147483647");
}

TEST(User, TheProcessNamesItByIdsOrByName) {
    const auto by_id = user_of_process(
        {{"user", {{"uid", 1001}, {"gid", 7}, {"additionalGids", {8, 7, 9}}}}}, kAccounts);
    ASSERT_TRUE(by_id);
    EXPECT_EQ(by_id->gid, 7U);
    EXPECT_EQ(by_id->home, "/home/web");
    EXPECT_THAT(by_id->groups, ElementsAre(7U, 8U, 9U));
    const auto by_name = user_of_process(
        {{"user", {{"username", "web"}, {"uid", 3}, {"additionalGids", {8}}}}}, kAccounts);
    EXPECT_EQ(by_name->uid, 1001U);
    EXPECT_THAT(by_name->groups, ElementsAre(1002U, 1003U, 1004U, 8U));
    EXPECT_FALSE(user_of_process({{"user", {{"uid", -1}}}}, kAccounts));
}

}  // namespace
}  // namespace hako::init
