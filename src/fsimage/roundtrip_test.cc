// Layers -> EROFS -> tar -> ext4 -> tar: nothing may be lost on the way, and every part checks.
#include <gtest/gtest.h>

#include "base/process.h"
#include "base/sha256.h"
#include "base/stream.h"
#include "fsimage/export.h"
#include "fsimage/ext4/writer.h"
#include "fsimage/filesystem.h"
#include "fsimage/tar/reader.h"
#include "fsimage/testing/layers.h"

namespace hako::fsimage {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

// A member with its contents, as text to compare and to print.
using Members = std::vector<std::pair<std::string, std::string>>;

Members members(const std::string& tar) {
    TextReader source(tar, 1U << 20U);
    TarReader reader(source);
    Members all;
    for (;;) {
        const auto entry = reader.next();
        EXPECT_TRUE(entry) << entry.error().message();
        if (!entry || !*entry) return all;
        const TarEntry& e = **entry;
        std::string text =
            fmt::format("{} {:o} {}:{} {},{} {}.{} {} -> {}", static_cast<int>(e.type), e.mode,
                        e.uid, e.gid, e.major, e.minor, e.mtime.seconds, e.mtime.nanoseconds,
                        e.size, e.link.size() < 100 ? e.link : sha256_hex(as_bytes(e.link)));
        for (const auto& [name, value] : e.xattrs) text += fmt::format(" {}={}", name, value);
        std::string content(e.size, '\0');
        while (const auto piece = reader.next_piece().value())
            content.replace(piece->offset, piece->bytes.size(), as_text(piece->bytes));
        all.emplace_back(e.path, text + " " + sha256_hex(as_bytes(content)));
    }
}

Members without(Members all, std::string_view path) {
    std::erase_if(all, [&](const auto& member) { return member.first == path; });
    return all;
}

std::string exported(const std::filesystem::path& disk) {
    const auto filesystem = open_filesystem(std::span(&disk, 1));
    EXPECT_TRUE(filesystem) << filesystem.error().message();
    TextWriter out;
    if (!filesystem) return {};
    const auto done = export_tar(**filesystem, (*filesystem)->root(), out);
    EXPECT_TRUE(done) << done.error().message();
    return out.text;
}

Result<void> to_ext4(const std::string& tar, const std::filesystem::path& disk,
                     const Ext4Options& options = {.size = 64 * kMiB}) {
    TextReader source(tar, 1U << 20U);
    return write_ext4(source, disk, options);
}

// "security.capability" of `ping`, and an access list, as Linux gives and takes them.
const std::string kCapability = "\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0"s;
const std::string kAccess =
    "\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xe8\x03\0\0\x04\0\x04\0\xff\xff\xff\xff"
    "\x10\0\x06\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff"s;

TarBuilder everything() {
    const std::string long_path = "d/" + std::string(255, 'n') + "/" + std::string(200, 'm');
    TarBuilder tar;
    tar.directory(".", 0700)
        .directory("d", 02755)
        .file("d/empty")
        .file("d/small", "small")
        .add({.path = "d/large", .content = std::string(5'000'000, 'x'), .mode = 06711})
        .add({.path = "d/holes", .content = std::string(100'000, '\0') + "end"})
        .add({.path = "d/early", .pax = {{"mtime", "-1.25"}}})
        .add({.path = "d/late", .pax = {{"mtime", "5000000000.000000001"}}})
        .add({.path = "d/owner", .pax = {{"uid", "4294967294"}, {"gid", "70000"}}})
        .add({.path = "ping",
              .content = "x",
              .pax = {{"SCHILY.xattr.security.capability", kCapability}}})
        .add({.path = "acl",
              .pax = {{"SCHILY.xattr.system.posix_acl_access", kAccess},
                      {"SCHILY.xattr.user.text", "some"}}})
        .add({.path = "folder-acl",
              .type = '5',
              .mode = 0755,
              .pax = {{"SCHILY.xattr.system.posix_acl_default", kAccess}}})
        .add({.path = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3})
        .add({.path = "disk", .type = '4', .mode = 0660, .major = 259, .minor = 70000})
        .add({.path = "pipe", .type = '6', .mode = 0600})
        .symlink("short", "d/small")
        .symlink("long", std::string(3000, 't'))
        .hardlink("z-link", "d/small")
        .hardlink("z-pipe", "pipe")
        .hardlink("z-symlink", "short")
        .file(long_path, "deep");
    return tar;
}

TEST(RoundTripTest, KeepsEverything) {
    Layers layers;
    layers.with(everything());
    const auto disk = layers.disk();
    const std::string tar = exported(disk);
    EXPECT_EQ(tar, exported(disk)) << "the same disk gives the same bytes";
    const Members first = members(tar);
    EXPECT_EQ(first.size(), 22U);

    // Read back from its own tar it is the same.
    Layers again;
    ASSERT_TRUE(again.add(tar));
    EXPECT_EQ(members(exported(again.disk())), first);

    const auto ext4 = layers.path("ext4");
    const auto written = to_ext4(tar, ext4, {.size = 64 * kMiB, .label = "root"});
    ASSERT_TRUE(written) << written.error().message();
    const auto checked = run({.argv = {"e2fsck", "-fn", ext4.string()}}, 60s).value();
    EXPECT_TRUE(checked.status.success()) << checked.out << checked.err;
    EXPECT_EQ(members(exported(ext4)), first);
}

// Pieces of every size, since the tar is written through a buffer.
TEST(RoundTripTest, FilesOfManySizes) {
    TarBuilder tar;
    for (std::size_t size = 1; size < 600'000; size = size * 3 / 2 + 1)
        tar.file(fmt::format("{:06}", size), std::string(size, static_cast<char>('a' + size % 26)));
    Layers layers;
    layers.with(tar);
    Members wanted = members(tar.finish());
    EXPECT_EQ(without(members(exported(layers.disk())), "./"), wanted);
}

TEST(RoundTripTest, FolderOfManyNames) {
    TarBuilder tar;
    for (int i = 0; i < 20'000; ++i) tar.file(fmt::format("many/a name of some length {}", i));
    Layers layers;
    layers.with(tar);
    const std::string first = exported(layers.disk());
    const auto ext4 = layers.path("ext4");
    ASSERT_TRUE(to_ext4(first, ext4, {.size = 64 * kMiB, .inodes = 21'000}));
    const auto checked = run({.argv = {"e2fsck", "-fn", ext4.string()}}, 60s).value();
    EXPECT_TRUE(checked.status.success()) << checked.out << checked.err;
    EXPECT_EQ(members(exported(ext4)), members(first));
}

TEST(RoundTripTest, ZerosAreHoles) {
    const auto folder = TempDir::create().value();
    const auto ext4 = folder.path() / "ext4";
    std::string content(40 * kMiB, '\0');
    for (std::size_t at = 0; at < content.size(); at += 3 * kMiB) content[at] = 'x';
    ASSERT_TRUE(to_ext4(TarBuilder().file("sparse", content).finish(), ext4));
    const auto checked = run({.argv = {"e2fsck", "-fn", ext4.string()}}, 60s).value();
    EXPECT_TRUE(checked.status.success()) << checked.out << checked.err;
    EXPECT_NE(exported(ext4).find(content), std::string::npos);
    const auto stat =
        run({.argv = {"debugfs", "-R", "stat /sparse", ext4.string()}}, 60s).value().out;
    EXPECT_NE(stat.find("Blockcount: " + std::to_string(14 * 8 + 8)), std::string::npos) << stat;
}

TEST(RoundTripTest, ADiskThatIsTooSmallLeavesNothing) {
    const auto folder = TempDir::create().value();
    const auto ext4 = folder.path() / "ext4";
    std::string content(20 * kMiB, 'x');
    const auto full =
        to_ext4(TarBuilder().file("large", content).finish(), ext4, {.size = 16 * kMiB});
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().kind(), ErrorKind::exhausted);
    EXPECT_NE(full.error().message().find("give a larger size"), std::string::npos);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));

    TarBuilder many;
    for (int i = 0; i < 2000; ++i) many.file(std::to_string(i));
    const auto files = to_ext4(many.finish(), ext4, {.size = 16 * kMiB});
    ASSERT_FALSE(files);
    EXPECT_EQ(files.error().kind(), ErrorKind::exhausted);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(RoundTripTest, RefusesTarsOfAnotherShape) {
    const auto folder = TempDir::create().value();
    const auto ext4 = folder.path() / "ext4";
    for (const TarBuilder& tar :
         {TarBuilder().file("a").file("a"), TarBuilder().file("no/folder"),
          TarBuilder().file("f").file("f/below"), TarBuilder().hardlink("a", "b"),
          TarBuilder().directory("d").hardlink("a", "d"), TarBuilder().file("."),
          TarBuilder().file("../out")}) {
        const auto refused = to_ext4(tar.finish(), ext4);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind(), ErrorKind::invalid) << refused.error().message();
    }
    EXPECT_EQ(to_ext4(TarBuilder().file("cut").unfinished(), ext4).error().kind(),
              ErrorKind::corrupt);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(RoundTripTest, FilesAreFoundByPath) {
    Layers layers;
    layers.with(TarBuilder()
                    .file("d/f", "found")
                    .symlink("s", "d/../d")
                    .symlink("up", "/../../s/f")
                    .symlink("loop", "loop"));
    const auto disk = layers.disk();
    const auto filesystem = open_filesystem(std::span(&disk, 1)).value();
    const FileId file = find_file(*filesystem, "d/f").value();
    for (const char* path : {"/d/f", "s/f", "up", "./d//f", "d/../s/f"})
        EXPECT_EQ(find_file(*filesystem, path).value(), file) << path;
    EXPECT_EQ(find_file(*filesystem, "/").value(), filesystem->root());
    EXPECT_EQ(find_file(*filesystem, "d/g").error().kind(), ErrorKind::not_found);
    EXPECT_EQ(find_file(*filesystem, "d/f/g").error().kind(), ErrorKind::not_found);
    EXPECT_EQ(find_file(*filesystem, "loop").error().kind(), ErrorKind::invalid);
    EXPECT_FALSE(filesystem->list(file));
    std::array<std::byte, 16> buffer{};
    EXPECT_EQ(filesystem->read(file, 2, buffer).value(), 3U);
    EXPECT_EQ(filesystem->read(file, 99, buffer).value(), 0U);
    EXPECT_FALSE(filesystem->read(filesystem->root(), 0, buffer));
}

TEST(RoundTripTest, OtherFilesAreNoDisks) {
    const auto folder = TempDir::create().value();
    const auto path = folder.path() / "file";
    for (const std::string& text : {""s, "short"s, std::string(100'000, 'x')}) {
        ASSERT_TRUE(write_file(path, text));
        EXPECT_EQ(open_filesystem(std::span(&path, 1)).error().kind(), ErrorKind::invalid);
        std::filesystem::remove(path);
    }
    EXPECT_FALSE(open_filesystem(std::span(&path, 1)));
}

}  // namespace
}  // namespace hako::fsimage
