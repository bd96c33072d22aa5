// Files in and out of containers.
#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/stream.h"
#include "init/tests/agent_fixture.h"
#include "init/tests/tar.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> read_tar(const std::string& tar) {
    std::map<std::string, std::string> items;
    auto* reader = ::archive_read_new();
    ::archive_read_support_format_tar(reader);
    EXPECT_EQ(::archive_read_open_memory(reader, tar.data(), tar.size()), ARCHIVE_OK);
    ::archive_entry* entry = nullptr;
    while (::archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
        std::string content(static_cast<std::size_t>(::archive_entry_size(entry)), '\0');
        ::archive_read_data(reader, content.data(), content.size());
        if (const char* link = ::archive_entry_symlink(entry)) content = fmt::format("-> {}", link);
        if (const char* link = ::archive_entry_hardlink(entry)) content = fmt::format("= {}", link);
        items[::archive_entry_pathname(entry)] = content;
    }
    ::archive_read_free(reader);
    return items;
}

class CopyTest : public AgentTest {
protected:
    Result<void> copy_in(const std::string& path, const std::vector<TarItem>& items,
                         bool keep = false) {
        TextReader tar(make_tar(items));
        return agent().copy_in({kContainer, path, keep}, tar);
    }
    Result<std::map<std::string, std::string>> copy_out(const std::string& path) {
        TextWriter tar;
        guest::PathStat stat;
        HAKO_CHECK(agent().copy_out(
            kContainer, path,
            [&](const guest::PathStat& told) {
                stat = told;
                return Result<void>();
            },
            tar));
        EXPECT_FALSE(stat.name.empty());
        return read_tar(tar.text);
    }
};

TEST_F(CopyTest, WhatGoesInMayBelongToOneUser) {
    run_sleeper();
    TextReader tar(
        make_tar({{"a/", S_IFDIR | 0750, "", 1001}, {"a/file", S_IFREG | 0640, "hello"}}));
    const auto copied =
        agent().copy_in({.container = kContainer, .path = "/home", .owner = "1002:1003"}, tar);
    ASSERT_TRUE(copied) << copied.error().message();
    EXPECT_EQ(output_of(process_spec({"stat", "-c", "%u:%g:%a", "/home/a", "/home/a/file"}), "p"),
              "1002:1003:750\n1002:1003:640\n");
    TextReader again(make_tar({{"b", S_IFREG | 0640, "hello"}}));
    EXPECT_FALSE(
        agent().copy_in({.container = kContainer, .path = "/home", .owner = "nobodys"}, again));
}

TEST_F(CopyTest, AFolderGoesInAndComesOut) {
    run_sleeper();
    const std::string large(3'000'000, 'x');
    const auto copied = copy_in("/home", {{"a/", S_IFDIR | 0750, "", 1001},
                                          {"a/file", S_IFREG | 0640, "hello", 1001},
                                          {"a/large", S_IFREG | 0644, large},
                                          {"a/deep/er/file", S_IFREG | 0644, "deep"},
                                          {"a/link", S_IFLNK | 0777, "file"},
                                          {"a/caf\xc3\xa9", S_IFREG | 0644, "e"}});
    ASSERT_TRUE(copied) << copied.error().message();
    EXPECT_EQ(output_of(process_spec({"stat", "-c", "%u:%a:%Y", "/home/a", "/home/a/file"}), "p"),
              "1001:750:1000000000\n1001:640:1000000000\n");
    const auto out = copy_out("/home/a");
    ASSERT_TRUE(out) << out.error().message();
    EXPECT_EQ(out->at("a/file"), "hello");
    EXPECT_TRUE(out->at("a/large") == large);
    EXPECT_EQ(out->at("a/deep/er/file"), "deep");
    EXPECT_EQ(out->at("a/link"), "-> file");
    EXPECT_TRUE(out->contains("a/caf\xc3\xa9"));
    EXPECT_EQ(out->size(), 8U);
}

TEST_F(CopyTest, HardLinksStayLinks) {
    run_sleeper();
    ASSERT_EQ(output_of(script("cd /home && echo x > one && ln one two"), "p"), "");
    const auto out = copy_out("/home");
    ASSERT_TRUE(out) << out.error().message();
    EXPECT_EQ(out->at("home/one"), "x\n");
    EXPECT_EQ(out->at("home/two"), "= home/one");
}

TEST_F(CopyTest, APathIsDescribed) {
    run_sleeper();
    const auto file = agent().stat_path(kContainer, "/etc/passwd");
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_EQ(file->name, "passwd");
    EXPECT_EQ(file->size, fs::file_size(rootfs() / "etc/passwd"));
    EXPECT_TRUE(S_ISREG(file->mode));
    const auto link = agent().stat_path(kContainer, "/bin/sh");
    EXPECT_EQ(link->link_target, "busybox");
    EXPECT_EQ(agent().stat_path(kContainer, "/")->name, "/");
    const auto missing = agent().stat_path(kContainer, "/nope");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().kind(), ErrorKind::not_found);
}

TEST_F(CopyTest, NoPathLeadsOutOfTheContainer) {
    const auto outside = state() / "outside";
    fs::create_directories(outside);
    ASSERT_TRUE(write_file(outside / "secret", "secret"));
    fs::create_directory_symlink(outside, rootfs() / "trap");
    fs::create_directory_symlink("../../../../../../../..", rootfs() / "up");
    run_sleeper();
    (void)copy_in("/trap", {{"file", S_IFREG | 0644, "x"}});
    (void)copy_in("/", {{"trap/file", S_IFREG | 0644, "x"}});
    EXPECT_FALSE(fs::exists(outside / "file"));
    EXPECT_FALSE(copy_in("/home", {{"../../escaped", S_IFREG | 0644, "x"}}));
    EXPECT_TRUE(copy_in("/up", {{"from-up", S_IFREG | 0644, "x"}}));
    EXPECT_TRUE(fs::exists(rootfs() / "from-up"));
    EXPECT_FALSE(agent().stat_path(kContainer, "/trap/secret"));
}

TEST_F(CopyTest, AStoppedContainersFilesCanBeCopied) {
    create_container(container_spec());
    ASSERT_TRUE(copy_in("/home", {{"file", S_IFREG | 0644, "x"}}));
    EXPECT_TRUE(fs::exists(rootfs() / "home/file"));
    EXPECT_EQ(copy_out("/home/file")->at("file"), "x");
}

TEST_F(CopyTest, WhatIsReadOnlyTakesNothing) {
    auto spec = container_spec();
    spec["root"]["readonly"] = true;
    const auto volume = state() / "volume";
    fs::create_directories(volume);
    for (const auto& [target, access] : {std::pair("/writable", "rw"), std::pair("/locked", "ro")})
        spec["mounts"].push_back({{"destination", target},
                                  {"type", "bind"},
                                  {"source", volume.string()},
                                  {"options", {"rbind", access}}});
    fs::create_directory_symlink("/writable", rootfs() / "link");
    create_container(spec);
    const guest::ProcessId id{kContainer, kContainer};
    ASSERT_TRUE(agent().create_process({id, dump_json(process_spec({"sleep", "1000"}))}));
    for (const bool started : {false, true}) {
        if (started) {
            ASSERT_TRUE(agent().start_process(id));
        }
        for (const char* fine : {"/writable", "/link", "/dev/shm"}) {
            const auto copied = copy_in(fine, {{"file", S_IFREG | 0644, "x"}});
            EXPECT_TRUE(copied) << fine << ": " << copied.error().message();
        }
        const auto rootfs = copy_in("/home", {{"file", S_IFREG | 0644, "x"}});
        ASSERT_FALSE(rootfs);
        EXPECT_EQ(rootfs.error().kind(), ErrorKind::forbidden);
        EXPECT_EQ(rootfs.error().message(), "container rootfs is marked read-only");
        const auto locked = copy_in("/locked", {{"file", S_IFREG | 0644, "x"}});
        ASSERT_FALSE(locked);
        EXPECT_EQ(locked.error().message(), "mounted volume is marked read-only");
    }
    EXPECT_TRUE(fs::exists(volume / "file"));
}

TEST_F(CopyTest, KindsAreKeptWhenAskedFor) {
    run_sleeper();
    ASSERT_TRUE(copy_in("/home", {{"a/b", S_IFREG | 0644, "x"}}));
    EXPECT_FALSE(copy_in("/home", {{"a", S_IFREG | 0644, "file"}}, true));
    EXPECT_FALSE(copy_in("/home", {{"a/b/", S_IFDIR | 0755, ""}}, true));
    EXPECT_TRUE(copy_in("/home", {{"a", S_IFREG | 0644, "file"}}, false));
    EXPECT_EQ(copy_out("/home/a")->at("a"), "file");
}

TEST_F(CopyTest, BadArchivesAndPlacesAreErrors) {
    run_sleeper();
    TextReader garbage(std::string(4096, '!'));
    const auto refused = agent().copy_in({kContainer, "/home"}, garbage);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::invalid);
    EXPECT_EQ(copy_in("/nope", {}).error().kind(), ErrorKind::not_found);
    EXPECT_EQ(copy_in("/etc/passwd", {}).error().kind(), ErrorKind::invalid);
    EXPECT_EQ(copy_out("/nope").error().kind(), ErrorKind::not_found);
}

// As the kernel's overlay writes an upper directory.
class ChangesTest : public CopyTest {
protected:
    void SetUp() override {
        CopyTest::SetUp();
        if (IsSkipped()) return;
        for (const char* name : {"upper/etc", "upper/new/deep", "upper/proc", "upper/run/secrets",
                                 "lower/etc", "lower/proc"})
            fs::create_directories(folder() / name);
        ASSERT_TRUE(write_file(folder() / "lower/etc/passwd", "old"));
        ASSERT_TRUE(write_file(folder() / "upper/etc/passwd", "new"));
        ASSERT_TRUE(write_file(folder() / "upper/new/deep/file", "hello"));
        ASSERT_TRUE(write_file(folder() / "upper/run/secrets/token", ""));
        ASSERT_EQ(::mknod((folder() / "upper/etc/gone").c_str(), S_IFCHR, 0), 0);
        ASSERT_EQ(::setxattr((folder() / "upper/new").c_str(), "trusted.overlay.opaque", "y", 1, 0),
                  0);
        auto spec = container_spec();
        spec["mounts"].push_back({{"destination", "/run/secrets/token"}, {"type", "tmpfs"}});
        create_container(spec);
    }
    fs::path folder() const { return state() / "overlay"; }
    std::string changes(bool list) {
        TextWriter out;
        const auto done = agent().changes({.container = kContainer,
                                           .upper = folder() / "upper",
                                           .lower = folder() / "lower",
                                           .list = list},
                                          out);
        EXPECT_TRUE(done) << done.error().message();
        return out.text;
    }
};

TEST_F(ChangesTest, AreListed) {
    using Kind = guest::Change::Kind;
    EXPECT_EQ(*guest::parse_changes(changes(true)),
              (std::vector<guest::Change>{{Kind::changed, "/etc"},
                                          {Kind::deleted, "/etc/gone"},
                                          {Kind::changed, "/etc/passwd"},
                                          {Kind::added, "/new"},
                                          {Kind::added, "/new/deep"},
                                          {Kind::added, "/new/deep/file"}}));
}

TEST_F(ChangesTest, AreALayer) {
    const std::map<std::string, std::string> layer{{"etc/", ""},
                                                   {"etc/.wh.gone", ""},
                                                   {"etc/passwd", "new"},
                                                   {"new/", ""},
                                                   {"new/.wh..wh..opq", ""},
                                                   {"new/deep/", ""},
                                                   {"new/deep/file", "hello"}};
    EXPECT_EQ(read_tar(changes(false)), layer);
}

}  // namespace
}  // namespace hako::init
