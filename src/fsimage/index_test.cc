#include "fsimage/index.h"

#include <gtest/gtest.h>

#include "fsimage/testing/layers.h"
#include "fsimage/varint.h"

namespace hako::fsimage {
namespace {

using namespace std::string_literals;

TEST(Varint, RoundTrips) {
    std::string text;
    const std::vector<std::uint64_t> numbers{0, 1, 127, 128, 0xFFFFFFFF, ~std::uint64_t{0}};
    const std::vector<std::int64_t> signs{0, -1, 1, std::numeric_limits<std::int64_t>::min(),
                                          std::numeric_limits<std::int64_t>::max()};
    for (const auto number : numbers) put_number(text, number);
    for (const auto number : signs) put_signed(text, number);
    put_text(text, "end");
    VarintReader reader(text);
    for (const auto number : numbers) EXPECT_EQ(reader.number(), number);
    for (const auto number : signs) EXPECT_EQ(reader.signed_number(), number);
    EXPECT_EQ(reader.text(), "end");
    EXPECT_TRUE(reader.good());
    EXPECT_TRUE(reader.rest().empty());
}

TEST(Varint, NeverReadsPastTheEnd) {
    for (const std::string& text : {""s, "\x80"s,
                                    "\x05"
                                    "abc"s,
                                    std::string(11, '\xFF')}) {
        VarintReader reader(text);
        EXPECT_EQ(reader.text(), "");
        EXPECT_FALSE(reader.good());
        EXPECT_EQ(reader.number(), 0U);
    }
}

TEST(LayerIndex, KeepsAllThatTheTarSaid) {
    Layers layers;
    layers.with(TarBuilder()
                    .add({.path = "d/f",
                          .content = "x",
                          .mode = 06711,
                          .uid = 7,
                          .gid = 8,
                          .pax = {{"mtime", "-1.5"},
                                  {"SCHILY.xattr.user.b", "2"},
                                  {"SCHILY.xattr.user.a", "1"}}})
                    .symlink("d/s", "../over/there")
                    .add({.path = "d/c", .type = '3', .major = 4095, .minor = 1048575})
                    .hardlink("h", "/d/f"));
    const LayerIndex index = LayerIndex::load(layers.files()[0].index).value();
    EXPECT_EQ(index.layer().entries, 4U);
    auto cursor = index.entries();

    const IndexEntry file = cursor.next().value().value();
    EXPECT_EQ(file.parent, "d");
    EXPECT_EQ(file.name, "f");
    EXPECT_EQ(file.mode, 06711U);
    EXPECT_EQ(file.uid, 7U);
    EXPECT_EQ(file.gid, 8U);
    EXPECT_EQ(file.mtime, (Timestamp{-2, 500'000'000}));
    EXPECT_EQ(file.size, 1U);
    XattrCursor xattrs(file.xattrs);
    EXPECT_EQ(xattrs.next()->name, "user.a");
    EXPECT_EQ(xattrs.next()->value, "2");
    EXPECT_FALSE(xattrs.next());

    const IndexEntry symlink = cursor.next().value().value();
    EXPECT_TRUE(symlink.same_parent);
    EXPECT_EQ(symlink.link, "../over/there");
    const IndexEntry device = cursor.next().value().value();
    EXPECT_EQ(device.major, 4095U);
    EXPECT_EQ(device.minor, 1048575U);
    const IndexEntry hardlink = cursor.next().value().value();
    EXPECT_EQ(hardlink.parent, "");
    EXPECT_EQ(hardlink.link, "d/f");
    EXPECT_FALSE(cursor.next().value());
}

TEST(LayerIndex, NoticesEveryDamagedByte) {
    Layers layers;
    layers.with(TarBuilder().file("a/b", "x").symlink("s", "t"));
    const auto path = layers.files()[0].index;
    const std::string sound = read_file(path).value();
    for (std::size_t i = 0; i < sound.size(); ++i) {
        std::string damaged = sound;
        damaged[i] ^= 1;
        ASSERT_TRUE(write_file(path, damaged));
        const auto index = LayerIndex::load(path);
        ASSERT_FALSE(index) << "byte " << i;
        EXPECT_EQ(index.error().kind(), ErrorKind::corrupt);
    }
    for (std::size_t length = 0; length < sound.size(); length += 7) {
        ASSERT_TRUE(write_file(path, sound.substr(0, length)));
        EXPECT_FALSE(LayerIndex::load(path));
    }
}

TEST(LayerIndex, AMissingFileIsNotFound) {
    Layers layers;
    EXPECT_EQ(LayerIndex::load(layers.path("none")).error().kind(), ErrorKind::not_found);
}

}  // namespace
}  // namespace hako::fsimage
