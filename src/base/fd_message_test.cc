#include "base/fd_message.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

namespace hako {
namespace {

class FdMessageTest : public ::testing::Test {
protected:
    std::string text(const FdMessage& message) { return {buffer_.data(), message.size}; }

    FdPair pair_ = make_socket_pair().value();
    std::array<char, 64> buffer_{};
};

TEST_F(FdMessageTest, ADescriptorComesWithTheBytes) {
    FdPair pipe = make_pipe().value();
    ASSERT_EQ(send_message(pair_.first.get(), "take this", pipe.second.get()).value(), 9U);
    const auto received = receive_message(pair_.second.get(), buffer_).value();
    EXPECT_EQ(text(received), "take this");
    ASSERT_TRUE(received.fd);
    EXPECT_EQ(::fcntl(received.fd.get(), F_GETFD), FD_CLOEXEC);
    pipe.second.reset();
    ASSERT_TRUE(write_all(received.fd.get(), "x"));
    char byte = 0;
    EXPECT_EQ(::read(pipe.first.get(), &byte, 1), 1);
}

TEST_F(FdMessageTest, OneWithoutHasNone) {
    ASSERT_TRUE(send_message(pair_.first.get(), "plain"));
    const auto received = receive_message(pair_.second.get(), buffer_).value();
    EXPECT_EQ(text(received), "plain");
    EXPECT_FALSE(received.fd);
}

TEST_F(FdMessageTest, TheEndIsNoBytes) {
    pair_.first.reset();
    EXPECT_EQ(receive_message(pair_.second.get(), buffer_).value().size, 0U);
    EXPECT_FALSE(send_message(pair_.second.get(), "nobody"));
}

}  // namespace
}  // namespace hako
