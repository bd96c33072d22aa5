#include "cli/demux.h"

#include <gtest/gtest.h>

#include "base/fd.h"
#include "cli/detach_keys.h"
#include "cli/test_program.h"

namespace hako::cli {
namespace {

struct Sorted {
    std::string out, err;
    Demultiplexer frames{[this](OutputStream stream, std::span<const std::byte> data) {
        (stream == OutputStream::out ? out : err) += as_text(data);
        return Result<void>();
    }};
};

TEST(Demultiplexer, SortsFramesCutAnywhere) {
    std::string binary;
    for (int i = 0; i < 70'000; ++i) binary += static_cast<char>(i * 7);
    const auto stream = frame(1, "one") + frame(2, binary) + frame(1, "") + frame(0, "two");
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{5}, std::size_t{4096}, stream.size()}) {
        Sorted sorted;
        for (std::size_t at = 0; at < stream.size(); at += piece)
            ASSERT_TRUE(sorted.frames.feed(as_bytes(std::string_view(stream).substr(at, piece))));
        EXPECT_TRUE(sorted.frames.finish());
        EXPECT_EQ(sorted.out, "onetwo");
        EXPECT_EQ(sorted.err, binary);
    }
}

TEST(Demultiplexer, RefusesWhatIsNoStream) {
    Sorted sorted;
    EXPECT_EQ(sorted.frames.feed(as_bytes("plain text")).error().kind(), ErrorKind::corrupt);
}

TEST(Demultiplexer, NoticesACutFrame) {
    for (const std::size_t kept : {std::size_t{3}, std::size_t{10}}) {
        Sorted sorted;
        ASSERT_TRUE(sorted.frames.feed(as_bytes(frame(1, "hello").substr(0, kept))));
        EXPECT_EQ(sorted.frames.finish().error().kind(), ErrorKind::corrupt);
    }
}

TEST(Demultiplexer, ReportsTheDaemonsError) {
    Sorted sorted;
    const auto fed = sorted.frames.feed(as_bytes(frame(3, "it broke")));
    EXPECT_EQ(fed.error().message(), "error from daemon in stream: it broke");
}

std::string fed(DetachFilter& filter, std::string_view typed, bool detached = false) {
    const auto result = filter.feed(as_bytes(typed));
    EXPECT_EQ(result.detached, detached);
    return std::string(as_text(result.data));
}

TEST(DetachKeys, AreFoundAcrossReads) {
    DetachFilter filter(parse_detach_keys(kDefaultDetachKeys).value());
    EXPECT_EQ(fed(filter, "ab"), "ab");
    EXPECT_EQ(fed(filter, "c\x10"), "c");
    EXPECT_EQ(fed(filter, "\x11x", true), "");
}

TEST(DetachKeys, GiveBackWhatWasNoSequence) {
    DetachFilter filter(parse_detach_keys("ctrl-p,ctrl-q").value());
    EXPECT_EQ(fed(filter, "\x10y"), "\x10y");
    EXPECT_EQ(fed(filter, "\x10\x10"), "\x10");
    EXPECT_EQ(fed(filter, "\x11", true), "");
    DetachFilter held(parse_detach_keys("a,b").value());
    EXPECT_EQ(fed(held, "a"), "");
    EXPECT_EQ(as_text(held.take_held()), "a");
    EXPECT_TRUE(held.take_held().empty());
}

TEST(DetachKeys, CanBeChosenOrLeftOut) {
    EXPECT_EQ(as_text(parse_detach_keys("ctrl-a,x,ctrl-\\,,").value()), "\x01x\x1c,");
    DetachFilter none(parse_detach_keys("").value());
    EXPECT_EQ(fed(none, "\x10\x11"), "\x10\x11");
    for (const char* bad : {"ctrl-1", "ctrl-", "shift-a", "ab"})
        EXPECT_FALSE(parse_detach_keys(bad)) << bad;
}

}  // namespace
}  // namespace hako::cli
