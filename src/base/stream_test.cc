#include "base/stream.h"

#include <gtest/gtest.h>

#include <array>

namespace hako {
namespace {

class Failing : public Writer {
public:
    Result<void> write(std::span<const std::byte>) override {
        return fail(ErrorKind::unavailable, "nobody listens");
    }
};

TEST(StreamTest, ReadsATextInSteps) {
    TextReader reader("abcde", 2);
    std::array<std::byte, 10> buffer{};
    EXPECT_EQ(*reader.read(buffer), 2U);
    EXPECT_EQ(*reader.read(std::span(buffer).first(1)), 1U);
    EXPECT_EQ(*reader.read(buffer), 2U);
    EXPECT_EQ(*reader.read(buffer), 0U);
}

TEST(StreamTest, CopiesWhatIsLeft) {
    const std::string text(1'000'000, 'x');
    TextReader reader(text, 70'000);
    TextWriter writer;
    EXPECT_EQ(*copy_all(reader, writer), text.size());
    EXPECT_EQ(writer.text, text);
    EXPECT_EQ(*copy_all(reader, writer), 0U);
}

TEST(StreamTest, StopsAtTheFirstError) {
    TextReader reader("abc");
    Failing writer;
    EXPECT_EQ(copy_all(reader, writer).error().message(), "nobody listens");
}

TEST(StreamTest, DrainsToTheEnd) {
    TextReader reader("abc", 1);
    EXPECT_TRUE(drain(reader));
    std::array<std::byte, 1> buffer{};
    EXPECT_EQ(*reader.read(buffer), 0U);
}

TEST(StreamTest, ReadsAndWritesDescriptors) {
    auto pipe = make_pipe().value();
    FdWriter writer(pipe.second.get());
    ASSERT_TRUE(writer.write(as_bytes("hello")));
    pipe.second.reset();
    FdReader reader(pipe.first.get());
    TextWriter text;
    EXPECT_EQ(*copy_all(reader, text), 5U);
    EXPECT_EQ(text.text, "hello");
}

}  // namespace
}  // namespace hako
