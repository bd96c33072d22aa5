#include "fsimage/decompress.h"

#include <array>

#include <gtest/gtest.h>

#include "fsimage/testing/compress.h"
#include "fsimage/testing/tar_builder.h"

namespace hako::fsimage {
namespace {

std::string sample() {
    std::string text;
    for (int i = 0; i < 60'000; ++i) text += fmt::format("line {}\n", i * i);
    return text;
}

Result<std::string> decompress(std::string stored, std::size_t step = 1000) {
    TextReader source(std::move(stored), step);
    HAKO_TRY(const auto plain, open_decompressor(source));
    std::string text;
    std::array<std::byte, 7001> buffer{};
    for (;;) {
        HAKO_TRY(const std::size_t count, plain->read(buffer));
        if (count == 0) return text;
        text += as_text(std::span(buffer).first(count));
    }
}

TEST(Decompress, TellsFormatsApart) {
    EXPECT_EQ(decompress(sample()).value(), sample());
    EXPECT_EQ(decompress(gzip(sample())).value(), sample());
    EXPECT_EQ(decompress(zstd(sample())).value(), sample());
    EXPECT_EQ(decompress("").value(), "");
    EXPECT_EQ(decompress("abc", 1).value(), "abc");
}

TEST(Decompress, JoinsMembersAndFrames) {
    EXPECT_EQ(decompress(gzip("one, ") + gzip("") + gzip(sample()), 1).value(), "one, " + sample());
    const std::string skippable("\x50\x2A\x4D\x18\x03\0\0\0xyz", 11);
    EXPECT_EQ(decompress(skippable + zstd("one, ") + skippable + zstd("two"), 1).value(),
              "one, two");
}

TEST(Decompress, RefusesStreamsThatWereCutOff) {
    const std::string gz = gzip(sample());
    const std::string zs = zstd(sample());
    for (const std::size_t part : {std::size_t{5}, gz.size() / 2, gz.size() - 9, gz.size() - 1}) {
        const auto result = decompress(gz.substr(0, part));
        ASSERT_FALSE(result) << part;
        EXPECT_EQ(result.error().kind(), ErrorKind::corrupt);
    }
    for (const std::size_t part : {std::size_t{5}, zs.size() / 2, zs.size() - 1}) {
        const auto result = decompress(zs.substr(0, part));
        ASSERT_FALSE(result) << part;
        EXPECT_EQ(result.error().kind(), ErrorKind::corrupt);
    }
}

TEST(Decompress, RefusesDamage) {
    for (std::string stored : {gzip(sample()), zstd(sample())}) {
        stored[stored.size() - 3] ^= 0x55;  // in the checksum or the length behind the data
        const auto result = decompress(stored);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().kind(), ErrorKind::corrupt);
    }
    const auto garbage = decompress(gzip("x") + "garbage");
    ASSERT_FALSE(garbage);
    EXPECT_EQ(garbage.error().kind(), ErrorKind::corrupt);
}

TEST(Decompress, NamesCompressionsThatAreNotAllowed) {
    const auto result = decompress(std::string("\xFD\x37zXZ\0", 6) + sample());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::unimplemented);
    EXPECT_NE(result.error().message().find("xz"), std::string::npos);
}

}  // namespace
}  // namespace hako::fsimage
