#include "base/result.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace hako {
namespace {

Result<int> half(int number) {
    if (number % 2 != 0) return fail(ErrorKind::invalid, "{} is odd; give an even number", number);
    return number / 2;
}

Result<int> quarter(int number) {
    HAKO_TRY(const int once, with_context(half(number), "cannot quarter"));
    return half(once);
}

TEST(Result, TryPassesValuesAndErrorsOn) {
    EXPECT_EQ(*quarter(8), 2);
    const auto result = quarter(3);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::invalid);
    EXPECT_EQ(result.error().message(), "cannot quarter: 3 is odd; give an even number");
}

TEST(Result, ErrnoKeepsItsKindAndText) {
    const Result<void> result = fail_errno(ENOSPC, "cannot write {}", "x");
    EXPECT_EQ(result.error().kind(), ErrorKind::exhausted);
    EXPECT_EQ(result.error().message(), "cannot write x: No space left on device");
}

TEST(ErrorKind, MapsToHttpAndBack) {
    EXPECT_EQ(http_status(ErrorKind::conflict), 409);
    EXPECT_EQ(http_status(ErrorKind::exec_not_found), 400);
    EXPECT_EQ(kind_of_http_status(400), ErrorKind::invalid);
    EXPECT_EQ(kind_of_http_status(500), ErrorKind::internal);
    EXPECT_EQ(kind_of_http_status(418), ErrorKind::invalid);
    EXPECT_EQ(to_string(ErrorKind::too_large), "too_large");
}

}  // namespace
}  // namespace hako
