#include "fsimage/tar/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fsimage/testing/tar_builder.h"

namespace hako::fsimage {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;
using testing::Pair;

struct ReadEntry {
    TarEntry entry;
    std::string content;  // holes as zeros
};

Result<std::vector<ReadEntry>> read_all(std::string tar, std::size_t step = 1000) {
    TextReader source(std::move(tar), step);
    TarReader reader(source);
    std::vector<ReadEntry> all;
    for (;;) {
        HAKO_TRY(const auto entry, reader.next());
        if (!entry) break;
        ReadEntry read{*entry, std::string(static_cast<std::size_t>(entry->size), '\0')};
        for (;;) {
            HAKO_TRY(const auto piece, reader.next_piece());
            if (!piece) break;
            read.content.replace(static_cast<std::size_t>(piece->offset), piece->bytes.size(),
                                 as_text(piece->bytes));
        }
        all.push_back(std::move(read));
    }
    HAKO_CHECK(reader.drain());
    return all;
}

// The only entry of a tar, which must be sound.
ReadEntry read_one(const std::string& tar) {
    auto all = read_all(tar);
    EXPECT_TRUE(all) << all.error().message();
    if (!all || all->size() != 1) {
        ADD_FAILURE() << "not one entry";
        return {};
    }
    return all->front();
}

ErrorKind kind_of(const std::string& tar) {
    const auto all = read_all(tar);
    EXPECT_FALSE(all);
    return all ? ErrorKind::internal : all.error().kind();
}

TEST(TarReader, ReadsUstar) {
    const auto [entry, content] = read_one(TarBuilder()
                                               .add({.path = "etc/motd",
                                                     .content = "hello",
                                                     .mode = 04755,
                                                     .uid = 1000,
                                                     .gid = 100,
                                                     .mtime = 42})
                                               .finish());
    EXPECT_EQ(entry.path, "etc/motd");
    EXPECT_EQ(entry.type, EntryType::file);
    EXPECT_EQ(entry.mode, 04755U);
    EXPECT_EQ(entry.uid, 1000U);
    EXPECT_EQ(entry.gid, 100U);
    EXPECT_EQ(entry.mtime, (Timestamp{42, 0}));
    EXPECT_EQ(content, "hello");
}

TEST(TarReader, ReadsOtherTypes) {
    const auto all = read_all(TarBuilder()
                                  .directory("d/")
                                  .symlink("s", "d")
                                  .hardlink("h", "s")
                                  .add({.path = "c", .type = '3', .major = 1, .minor = 300})
                                  .add({.path = "b", .type = '4', .major = 259, .minor = 7})
                                  .add({.path = "p", .type = '6'})
                                  .add({.path = "v7/", .type = '\0'})
                                  .finish());
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 7U);
    EXPECT_EQ(all->at(0).entry.type, EntryType::directory);
    EXPECT_EQ(all->at(1).entry.link, "d");
    EXPECT_EQ(all->at(2).entry.type, EntryType::hardlink);
    EXPECT_EQ(all->at(3).entry.minor, 300U);
    EXPECT_EQ(all->at(4).entry.major, 259U);
    EXPECT_EQ(all->at(5).entry.type, EntryType::fifo);
    EXPECT_EQ(all->at(6).entry.type, EntryType::directory);
}

TEST(TarReader, DoesNotDependOnHowTheInputIsCut) {
    const std::string big(300'000, 'x');
    const std::string tar = TarBuilder().file("a", big).file("b", "end").finish();
    for (const std::size_t step : {1U, 511U, 100'000U, 10'000'000U}) {
        const auto all = read_all(tar, step);
        ASSERT_TRUE(all);
        EXPECT_EQ(all->at(0).content, big);
        EXPECT_EQ(all->at(1).content, "end");
    }
}

TEST(TarReader, PaxOverridesTheHeader) {
    const auto [entry, content] =
        read_one(TarBuilder()
                     .add({.path = "short",
                           .content = "abc",
                           .pax = {{"path", "lång/漢"},
                                   {"uid", "3000000000"},
                                   {"gid", "70000"},
                                   {"mtime", "1234567890.123456789"},
                                   {"SCHILY.xattr.security.capability", "\1\0\0\2"s},
                                   {"SCHILY.xattr.system.posix_acl_access", "\2\0\0\0=="s},
                                   {"comment", "of no interest"}}})
                     .finish());
    EXPECT_EQ(entry.path, "lång/漢");
    EXPECT_EQ(entry.uid, 3'000'000'000U);
    EXPECT_EQ(entry.gid, 70'000U);
    EXPECT_EQ(entry.mtime, (Timestamp{1234567890, 123456789}));
    EXPECT_THAT(entry.xattrs, ElementsAre(Pair("security.capability", "\1\0\0\2"s),
                                          Pair("system.posix_acl_access", "\2\0\0\0=="s)));
    EXPECT_EQ(content, "abc");
}

TEST(TarReader, TimesBefore1970CountForward) {
    const auto read =
        read_one(TarBuilder().add({.path = "f", .pax = {{"mtime", "-1.25"}}}).finish());
    EXPECT_EQ(read.entry.mtime, (Timestamp{-2, 750'000'000}));
}

TEST(TarReader, PaxIsOfTheNextFileOnlyAndGlobalHeadersAreIgnored) {
    const std::string record = TarBuilder::pax_record("path", "global");
    const auto all = read_all(TarBuilder()
                                  .add({.path = "g", .type = 'g', .content = record})
                                  .add({.path = "a", .pax = {{"path", "renamed"}}})
                                  .file("b")
                                  .finish());
    ASSERT_TRUE(all);
    EXPECT_EQ(all->at(0).entry.path, "renamed");
    EXPECT_EQ(all->at(1).entry.path, "b");
}

TEST(TarReader, ReadsGnuLongNames) {
    const std::string name(300, 'n');
    const std::string link(200, 'l');
    const auto read =
        read_one(TarBuilder()
                     .add({.path = "././@LongLink", .type = 'L', .content = name + '\0'})
                     .add({.path = "././@LongLink", .type = 'K', .content = link + '\0'})
                     .symlink("cut", "cut")
                     .finish());
    EXPECT_EQ(read.entry.path, name);
    EXPECT_EQ(read.entry.link, link);
}

TEST(TarReader, JoinsTheUstarPrefix) {
    std::string block = TarBuilder::header({.path = "name"});
    block.replace(345, 6, "prefix");
    const auto read = read_one(TarBuilder().raw(TarBuilder::sign(block)).finish());
    EXPECT_EQ(read.entry.path, "prefix/name");
}

TEST(TarReader, ReadsBase256Numbers) {
    std::string block = TarBuilder::header({.path = "f"});
    block.replace(108, 8, "\x80\0\0\0\x80\0\0\1"s);
    block.replace(136, 12, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE");
    const auto read = read_one(TarBuilder().raw(TarBuilder::sign(block)).finish());
    EXPECT_EQ(read.entry.uid, 0x80000001U);
    EXPECT_EQ(read.entry.mtime.seconds, -2);
}

TEST(TarReader, ReadsGnuSparse) {
    std::string block = TarBuilder::header({.path = "f", .type = 'S', .content = "abcdef"});
    block.replace(386, 11, "00000000012");  // 10: "abc"
    block.replace(398, 11, "00000000003");
    block.replace(410, 11, "00000000024");  // 20: "def"
    block.replace(422, 11, "00000000003");
    block.replace(483, 11, "00000000036");  // 30 in all
    const auto read = read_one(
        TarBuilder().raw(TarBuilder::sign(block)).raw(TarBuilder::padded("abcdef")).finish());
    EXPECT_EQ(read.content,
              std::string(10, '\0') + "abc" + std::string(7, '\0') + "def" + std::string(7, '\0'));
}

TEST(TarReader, ReadsPaxSparse) {
    const std::string expected = "\0\0ab\0\0\0\0cd"s;
    const auto mapped = read_one(TarBuilder()
                                     .add({.path = "x",
                                           .content = "abcd",
                                           .pax = {{"GNU.sparse.name", "f"},
                                                   {"GNU.sparse.size", "10"},
                                                   {"GNU.sparse.map", "2,2,8,2"}}})
                                     .finish());
    EXPECT_EQ(mapped.entry.path, "f");
    EXPECT_EQ(mapped.content, expected);

    const auto in_front =
        read_one(TarBuilder()
                     .add({.path = "x",
                           .content = TarBuilder::padded("2\n2\n2\n8\n2\n") + "abcd",
                           .pax = {{"GNU.sparse.major", "1"},
                                   {"GNU.sparse.minor", "0"},
                                   {"GNU.sparse.name", "f"},
                                   {"GNU.sparse.realsize", "10"}}})
                     .finish());
    EXPECT_EQ(in_front.content, expected);
}

TEST(TarReader, RefusesSparseMapsThatLie) {
    for (const char* map : {"2,2,3,2", "8,2,2,2", "0,4,9,9", "0,1", "1", "x,1", "0,5"}) {
        SCOPED_TRACE(map);
        EXPECT_EQ(kind_of(TarBuilder()
                              .add({.path = "f",
                                    .content = "abcd",
                                    .pax = {{"GNU.sparse.size", "10"}, {"GNU.sparse.map", map}}})
                              .finish()),
                  ErrorKind::corrupt);
    }
}

TEST(TarReader, RefusesATarThatWasCutOffAnywhere) {
    const std::string whole =
        TarBuilder().add({.path = "f", .content = "abc", .pax = {{"uid", "1"}}}).unfinished();
    for (std::size_t length = 0; length <= whole.size(); length += 128) {
        SCOPED_TRACE(length);
        EXPECT_EQ(kind_of(whole.substr(0, length)), ErrorKind::corrupt);
    }
    EXPECT_TRUE(read_all(whole + std::string(512, '\0')));
}

TEST(TarReader, RefusesDamage) {
    std::string header = TarBuilder::header({.path = "f"});
    header[0] = 'g';
    EXPECT_EQ(kind_of(TarBuilder().raw(header).finish()), ErrorKind::corrupt);
    EXPECT_EQ(kind_of(std::string(2048, 'x')), ErrorKind::corrupt);

    std::string negative = TarBuilder::header({.path = "f"});
    negative.replace(124, 12, 12, '\xFF');
    EXPECT_EQ(kind_of(TarBuilder().raw(TarBuilder::sign(negative)).finish()), ErrorKind::corrupt);

    std::string no_number = TarBuilder::header({.path = "f"});
    no_number.replace(124, 3, "9a9");
    EXPECT_EQ(kind_of(TarBuilder().raw(TarBuilder::sign(no_number)).finish()), ErrorKind::corrupt);

    for (const char* record :
         {"9999 path=x\n", "7 path=x\n", "11 path=xx ", "5 =x\n", "x path=a\n"}) {
        SCOPED_TRACE(record);
        EXPECT_EQ(
            kind_of(
                TarBuilder().add({.path = "x", .type = 'x', .content = record}).file("f").finish()),
            ErrorKind::corrupt);
    }
}

TEST(TarReader, RefusesWhatLinuxCannotHold) {
    EXPECT_EQ(kind_of(TarBuilder().add({.path = "f", .pax = {{"path", "a\0b"s}}}).finish()),
              ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().add({.path = "f", .pax = {{"uid", "4294967296"}}}).finish()),
              ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().add({.path = "f", .pax = {{"gid", "-1"}}}).finish()),
              ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().add({.path = "f", .type = 'Z'}).finish()), ErrorKind::invalid);
}

TEST(TarReader, BoundsExtendedHeaders) {
    TarMember member{.path = "x", .type = 'x', .content = std::string((1U << 20U) + 1, 'x')};
    EXPECT_EQ(kind_of(TarBuilder().add(member).file("f").finish()), ErrorKind::too_large);
}

}  // namespace
}  // namespace hako::fsimage
