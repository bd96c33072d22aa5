#include "guest/status.h"

#include <gtest/gtest.h>

namespace hako::guest {
namespace {

TEST(Status, EveryKindSurvivesTheWay) {
    for (int number = 0; number <= static_cast<int>(ErrorKind::internal); ++number) {
        const Error error(static_cast<ErrorKind>(number), "why");
        const auto back = to_error(to_status(error));
        EXPECT_EQ(back.kind(), error.kind()) << to_string(error.kind());
        EXPECT_EQ(back.message(), "why");
    }
}

TEST(Status, CodesOfOthersHaveAKind) {
    EXPECT_EQ(kind_of_status({grpc::StatusCode::NOT_FOUND, ""}), ErrorKind::not_found);
    EXPECT_EQ(kind_of_status({grpc::StatusCode::ALREADY_EXISTS, ""}), ErrorKind::conflict);
    EXPECT_EQ(kind_of_status({grpc::StatusCode::UNKNOWN, ""}), ErrorKind::unavailable);
    EXPECT_EQ(kind_of_status({grpc::StatusCode::INTERNAL, ""}), ErrorKind::internal);
}

TEST(Status, ALyingDetailDoesNotChangeTheClass) {
    const grpc::Status lie(grpc::StatusCode::NOT_FOUND, "", "forbidden");
    EXPECT_EQ(kind_of_status(lie), ErrorKind::not_found);
}

TEST(Status, AResultIsAStatus) {
    EXPECT_TRUE(to_status(Result<int>(3)).ok());
    EXPECT_EQ(to_status(Result<void>(fail(ErrorKind::exec_failed, "no"))).error_code(),
              grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace hako::guest
