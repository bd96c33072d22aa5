#include "dockerapi/multiplex.h"

#include <gtest/gtest.h>

namespace hako::dockerapi {
namespace {

using Stream = engine::OutputChunk::Stream;

class Collector : public http::ResponseStream {
public:
    using ResponseStream::write;
    Result<void> write(std::span<const std::byte> data) override {
        text += as_text(data);
        return {};
    }
    std::string text;
};

engine::OutputChunk chunk(std::string data, Stream stream = Stream::out) {
    return {WallTime(std::chrono::seconds(1)), stream, std::move(data)};
}

TEST(Multiplex, HeadersAreBigEndian) {
    const auto header = frame_header(Stream::err, 0x01020304);
    EXPECT_EQ(as_text(header), std::string_view("\2\0\0\0\1\2\3\4", 8));
}

TEST(Multiplex, FramesBothStreams) {
    Collector collector;
    OutputWriter writer(collector, {});
    ASSERT_TRUE(writer.write(chunk("hello\n")));
    ASSERT_TRUE(writer.write(chunk(std::string("\0\xff", 2), Stream::err)));
    ASSERT_TRUE(writer.write(chunk("")));
    EXPECT_EQ(collector.text, std::string("\1\0\0\0\0\0\0\6hello\n", 14) +
                                  std::string("\2\0\0\0\0\0\0\2\0\xff", 10));
}

TEST(Multiplex, ATerminalIsRawAndAStreamCanBeLeftOut) {
    Collector collector;
    OutputWriter raw(collector, {.raw = true});
    ASSERT_TRUE(raw.write(chunk("a\r\n")));
    EXPECT_EQ(collector.text, "a\r\n");
    collector.text.clear();
    OutputWriter only_err(collector, {.out = false});
    ASSERT_TRUE(only_err.write(chunk("out")));
    ASSERT_TRUE(only_err.write(chunk("err", Stream::err)));
    EXPECT_EQ(collector.text, std::string("\2\0\0\0\0\0\0\3err", 11));
}

TEST(Multiplex, EachLineHasItsTimeOnce) {
    Collector collector;
    OutputWriter writer(collector, {.raw = true, .timestamps = true});
    ASSERT_TRUE(writer.write(chunk("begin ")));
    ASSERT_TRUE(writer.write(chunk("of a long line\n")));
    ASSERT_TRUE(writer.write(chunk("next\n")));
    EXPECT_EQ(collector.text,
              "1970-01-01T00:00:01.000000000Z begin of a long line\n"
              "1970-01-01T00:00:01.000000000Z next\n");
}

TEST(Multiplex, TheContentTypeDependsOnTheVersion) {
    http::Request request;
    request.target = "/v1.41/containers/x/logs";
    EXPECT_EQ(stream_type(request, false), "application/vnd.docker.raw-stream");
    request.target = "/v1.42/containers/x/logs";
    EXPECT_EQ(stream_type(request, false), "application/vnd.docker.multiplexed-stream");
    EXPECT_EQ(stream_type(request, true), "application/vnd.docker.raw-stream");
}

}  // namespace
}  // namespace hako::dockerapi
