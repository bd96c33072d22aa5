#include "images/byte_channel.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <thread>

#include "base/fd.h"

namespace hako::images {
namespace {

std::string read_all(ByteChannel& channel) {
    std::string text;
    std::array<std::byte, 7> buffer;
    while (true) {
        const auto count = channel.read(buffer);
        if (!count || *count == 0) return text;
        text += as_text(std::span(buffer).first(*count));
    }
}

TEST(ByteChannel, CarriesMoreThanItHolds) {
    ByteChannel channel(10);
    std::string text;
    for (int i = 0; i < 1000; ++i) text += std::to_string(i) + ",";
    std::jthread writer([&] {
        for (std::size_t at = 0; at < text.size(); at += 13)
            EXPECT_TRUE(channel.write(as_bytes(std::string_view(text).substr(at, 13))));
        channel.close();
    });
    EXPECT_EQ(read_all(channel), text);
}

TEST(ByteChannel, HandsOnTheWritersError) {
    ByteChannel channel(10);
    ASSERT_TRUE(channel.write(as_bytes("abc")));
    channel.close(Error(ErrorKind::unavailable, "the network is gone"));
    std::array<std::byte, 4> buffer;
    const auto count = channel.read(buffer);
    ASSERT_FALSE(count);
    EXPECT_EQ(count.error().message(), "the network is gone");
}

TEST(ByteChannel, AWriterDoesNotWaitForAReaderThatHasGone) {
    ByteChannel channel(2);
    std::jthread reader([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        channel.abandon();
    });
    const auto written = channel.write(as_bytes("more than fits"));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().kind(), ErrorKind::cancelled);
}

}  // namespace
}  // namespace hako::images
