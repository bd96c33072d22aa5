#include "fsimage/layer.h"

#include <gtest/gtest.h>

#include <fcntl.h>

#include "base/sha256.h"
#include "fsimage/index.h"
#include "fsimage/output_file.h"
#include "fsimage/testing/compress.h"
#include "fsimage/testing/layers.h"

namespace hako::fsimage {
namespace {

using namespace std::string_literals;

// The index as lines "type parent name".
std::vector<std::string> index_lines(const std::filesystem::path& path) {
    const auto index = LayerIndex::load(path);
    EXPECT_TRUE(index) << index.error().message();
    std::vector<std::string> lines;
    auto cursor = index->entries();
    while (const auto entry = cursor.next().value())
        lines.push_back(
            fmt::format("{} {}:{}", static_cast<int>(entry->type), entry->parent, entry->name));
    return lines;
}

ErrorKind kind_of(const std::string& tar, const LayerLimits& limits = {}) {
    Layers layers;
    const auto unpacked = layers.add(tar, limits);
    EXPECT_FALSE(unpacked);
    EXPECT_EQ(layers.files_in_folder(), 0U) << "an error leaves nothing";
    return unpacked ? ErrorKind::internal : unpacked.error().kind();
}

TEST(UnpackLayer, WritesContentsAlignedAndTellsTheDigest) {
    const std::string big(5000, 'b');
    const std::string tar =
        TarBuilder().file("small", "abc").file("empty").file("dir/big", big).finish();
    for (const std::string& stored : {tar, gzip(tar), zstd(tar)}) {
        Layers layers;
        const auto unpacked = layers.add(stored);
        ASSERT_TRUE(unpacked) << unpacked.error().message();
        EXPECT_EQ(unpacked->diff_id, "sha256:" + sha256_hex(as_bytes(tar)));
        EXPECT_EQ(unpacked->tar_bytes, tar.size());
        EXPECT_EQ(unpacked->entries, 3U);
        EXPECT_EQ(unpacked->data_bytes, 3U * 4096);
        const std::string data = read_file(layers.files()[0].data).value();
        ASSERT_EQ(data.size(), 3U * 4096);
        EXPECT_EQ(data.substr(0, 5), "abc\0\0"s);
        EXPECT_EQ(data.substr(4096, 5001), big + '\0');
        EXPECT_EQ(layers.files_in_folder(), 2U);
    }
}

TEST(UnpackLayer, DigestCoversWhatFollowsTheEndOfTheArchive) {
    const std::string tar = TarBuilder().file("f").finish() + std::string(9000, '\0');
    Layers layers;
    EXPECT_EQ(layers.add(tar).value().diff_id, "sha256:" + sha256_hex(as_bytes(tar)));
}

TEST(UnpackLayer, AnEmptyLayerHasNoData) {
    Layers layers;
    const auto unpacked = layers.add(TarBuilder().finish());
    ASSERT_TRUE(unpacked);
    EXPECT_EQ(unpacked->data_bytes, 0U);
    EXPECT_EQ(unpacked->entries, 0U);
}

TEST(UnpackLayer, MixesSmallAndLargeFilesAndHoles) {
    TarBuilder tar;
    std::string expected;
    for (std::size_t i = 0; i < 40; ++i) {
        const std::string content(i % 7 == 0 ? 700'000 : i * 131, static_cast<char>('a' + i % 26));
        tar.file(fmt::format("f{}", i), content);
        expected += content;
        expected.resize((expected.size() + 4095) / 4096 * 4096);
    }
    tar.add({.path = "x",
             .content = "hole",
             .pax = {{"GNU.sparse.name", "sparse"},
                     {"GNU.sparse.size", "3000000"},
                     {"GNU.sparse.map", "1000000,4"}}});
    expected += std::string(1'000'000, '\0') + "hole" + std::string(1'999'996, '\0');
    expected.resize((expected.size() + 4095) / 4096 * 4096);
    tar.file("last", "last");
    expected += "last" + std::string(4092, '\0');
    Layers layers;
    layers.with(tar);
    EXPECT_TRUE(read_file(layers.files()[0].data).value() == expected);
}

TEST(UnpackLayer, KeepsTheOrderAndKnowsWhiteouts) {
    Layers layers;
    layers.with(TarBuilder()
                    .directory("./")
                    .file("/b")
                    .file("a/.wh.gone")
                    .file("a/.wh..wh..opq")
                    .file(".wh..wh.plnk")
                    .file("a/c"));
    EXPECT_EQ(index_lines(layers.files()[0].index),
              (std::vector<std::string>{"1 :", "0 :b", "7 a:gone", "8 a:", "0 a:c"}));
}

TEST(UnpackLayer, RefusesNamesThatLeaveTheRoot) {
    EXPECT_EQ(kind_of(TarBuilder().file("../../etc/passwd").finish()), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().file("a/../../b").finish()), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().hardlink("a", "../b").finish()), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().file("a/.wh...").finish()), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().file("a/.wh.").finish()), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().symlink("a", "").finish()), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().symlink("a", std::string(4096, 'x')).finish()),
              ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().symlink("/", "x").finish()), ErrorKind::invalid);
}

TEST(UnpackLayer, RefusesAttributesThatLinuxCannotHold) {
    for (const auto& [name, size] : {std::pair{"user."s + std::string(251, 'n'), 1U},
                                     std::pair{"user.big"s, 65536U}, std::pair{""s, 1U}}) {
        EXPECT_EQ(kind_of(TarBuilder()
                              .add({.path = "f",
                                    .pax = {{"SCHILY.xattr." + name, std::string(size, 'v')}}})
                              .finish()),
                  ErrorKind::invalid);
    }
}

TEST(UnpackLayer, RefusesStreamsThatWereCutOff) {
    const std::string tar = TarBuilder().file("f", std::string(100'000, 'x')).finish();
    EXPECT_EQ(kind_of(tar.substr(0, 50'000)), ErrorKind::corrupt);
    EXPECT_EQ(kind_of(tar.substr(0, tar.size() - 1024)), ErrorKind::corrupt);
    EXPECT_EQ(kind_of(gzip(tar).substr(0, 60)), ErrorKind::corrupt);
    EXPECT_EQ(kind_of(""), ErrorKind::corrupt);
}

TEST(UnpackLayer, RefusesBombs) {
    const std::string zeros = TarBuilder().file("f", std::string(4U << 20U, '\0')).finish();
    EXPECT_EQ(kind_of(zeros, {.max_bytes = kMiB}), ErrorKind::too_large);
    EXPECT_EQ(kind_of(gzip(zeros), {.max_ratio = 100, .ratio_floor = kMiB}), ErrorKind::too_large);
    EXPECT_EQ(kind_of(TarBuilder().file("a").file("b").file("c").finish(), {.max_entries = 2}),
              ErrorKind::too_large);
    // Small in the tar, endless once unpacked.
    EXPECT_EQ(kind_of(TarBuilder()
                          .add({.path = "f",
                                .pax = {{"GNU.sparse.size", "9000000000000000000"},
                                        {"GNU.sparse.map", ""},
                                        {"GNU.sparse.offset", "0"},
                                        {"GNU.sparse.numbytes", "0"}}})
                          .finish()),
              ErrorKind::too_large);
    Layers fine;
    EXPECT_TRUE(fine.add(gzip(zeros)));
}

TEST(UnpackLayer, PassesTheReadersErrorsOn) {
    class Broken : public Reader {
    public:
        Result<std::size_t> read(std::span<std::byte>) override {
            return fail(ErrorKind::unavailable, "the registry hung up");
        }
    };
    Layers layers;
    Broken reader;
    const auto unpacked = unpack_layer(reader, layers.path("data"), layers.path("index"));
    ASSERT_FALSE(unpacked);
    EXPECT_EQ(unpacked.error().kind(), ErrorKind::unavailable);
    EXPECT_EQ(layers.files_in_folder(), 0U);
}

TEST(UnpackLayer, ReplacesWhatIsThere) {
    Layers layers;
    for (const char* content : {"first", "second"}) {
        TextReader reader(TarBuilder().file("f", content).finish());
        ASSERT_TRUE(unpack_layer(reader, layers.path("data"), layers.path("index")));
    }
    EXPECT_EQ(read_file(layers.path("data")).value().substr(0, 6), "second");
    EXPECT_EQ(layers.files_in_folder(), 2U);
}

TEST(OutputFile, AFullDiskIsToldAsSuch) {
    const Fd full = open_file("/dev/full", O_WRONLY).value();
    const auto written = write_at(full.get(), 0, as_bytes("text"));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().kind(), ErrorKind::exhausted);
    EXPECT_NE(written.error().message().find("free some space"), std::string::npos);
}

}  // namespace
}  // namespace hako::fsimage
