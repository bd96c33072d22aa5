#include "fsimage/view.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <optional>
#include <set>

#include "base/process.h"
#include "fsimage/testing/layers.h"

namespace hako::fsimage {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
namespace fs = std::filesystem;

TarBuilder base_layer() {
    TarBuilder tar;
    tar.add({.path = "./", .type = '5', .mode = 0751, .mtime = 5})
        .add({.path = "etc", .type = '5', .mode = 0755, .uid = 1, .gid = 2})
        .add({.path = "etc/passwd",
              .content = "root:x:0:0::/:/bin/sh\n",
              .mode = 04755,
              .pax = {{"mtime", "-1.25"},
                      {"uid", "3000000000"},
                      {"gid", "70000"},
                      {"SCHILY.xattr.user.note", "hello"},
                      {"SCHILY.xattr.user.empty", " "},
                      {"SCHILY.xattr.security.capability",
                       "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0"s},
                      {"SCHILY.xattr.trusted.overlay.opaque", "y"}}})
        .hardlink("etc/shadow", "etc/passwd")
        .file("etc/empty")
        .file("big", std::string(100'000, 'b') + "end")
        .symlink("etc/short", "passwd")
        .symlink("long", std::string(4095, 'l'))
        .add({.path = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3})
        .add({.path = "disk", .type = '4', .major = 259, .minor = 70'000})
        .add({.path = "pipe", .type = '6', .mode = 0600})
        .file("!first")
        .file("etc/.-between")
        .file(std::string(255, 'n'), "long name");
    for (int i = 0; i < 3000; ++i) tar.file(fmt::format("many/file-{}", i * 7919 % 3000));
    tar.add({.path = "attributes",
             .type = '2',
             .link = std::string(3000, 't'),
             .pax = {{"SCHILY.xattr.trusted.big", std::string(60'000, 'x')}}});
    tar.add({.path = "crowded",
             .type = '5',
             .mode = 0700,
             .pax = {{"SCHILY.xattr.trusted.large", std::string(4000, 'x')}}});
    return tar.file("crowded/child", "c");
}

TarBuilder upper_layer() {
    return TarBuilder()
        .file("etc/.wh.empty")
        .file("upper", "from above")
        .directory("crowded", 0711)
        .file("crowded/second", std::string(4096, '2'));
}

TEST(View, PassesFsck) {
    Layers layers;
    layers.with(base_layer()).with(TarBuilder()).with(upper_layer());
    const auto result = run({.argv = {"fsck.erofs", "--extract", layers.disk().string()}}, 60s);
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_TRUE(result->status.success()) << result->out << result->err;
}

TEST(View, ANothingOfLayersIsAnEmptyRoot) {
    Layers layers;
    const auto result = run({.argv = {"fsck.erofs", layers.disk().string()}}, 60s);
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_TRUE(result->status.success()) << result->out << result->err;
}

TEST(View, IsTheSameEveryTime) {
    std::set<std::string> images;
    for (int i = 0; i < 2; ++i) {
        Layers layers;
        layers.with(base_layer()).with(upper_layer());
        ASSERT_TRUE(write_view(layers.files(), layers.path("view")));
        images.insert(read_file(layers.path("view")).value());
    }
    EXPECT_EQ(images.size(), 1U);
    // Other layers have another identity, even where they show the same files.
    Layers other;
    other.with(base_layer()).with(upper_layer()).with(TarBuilder().file(".wh.none"));
    ASSERT_TRUE(write_view(other.files(), other.path("view")));
    const std::string image = read_file(other.path("view")).value();
    EXPECT_NE(image.substr(1024 + 48, 16), images.begin()->substr(1024 + 48, 16));
}

TEST(View, TellsWhichLayerDoesNotFit) {
    Layers layers;
    layers.with(TarBuilder().file("f")).with(TarBuilder().hardlink("a", "none"));
    const auto written = write_view(layers.files(), layers.path("view"));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().kind(), ErrorKind::invalid);
    EXPECT_NE(written.error().message().find("cannot apply layer sha256:"), std::string::npos);
    EXPECT_EQ(layers.files_in_folder(), 4U) << "an error leaves nothing";
}

TEST(View, NoticesDataThatDoesNotBelong) {
    Layers layers;
    layers.with(TarBuilder().file("f", "x"));
    ASSERT_TRUE(write_file(layers.files()[0].data, "short"));
    EXPECT_EQ(write_view(layers.files(), layers.path("view")).error().kind(), ErrorKind::corrupt);
    fs::remove(layers.files()[0].data);
    EXPECT_EQ(write_view(layers.files(), layers.path("view")).error().kind(), ErrorKind::not_found);
}

// Shows a view as a kernel sees it. Needs root and a kernel with EROFS and loop devices.
class MountedView : public testing::Test {
protected:
    void TearDown() override {
        if (mounted_) ::umount2(root_.c_str(), 0);
    }
    // False where this machine cannot mount.
    bool mount(const Layers& layers) {
        const std::string filesystems = read_file("/proc/filesystems").value_or("");
        if (::geteuid() != 0 || filesystems.find("\terofs\n") == std::string::npos) return false;
        const auto result = run({.argv = {"mount", "-t", "erofs", "-o", "ro,loop",
                                          layers.disk().string(), root_.string()}},
                                60s);
        mounted_ = result && result->status.success();
        return mounted_;
    }
    struct stat status(const std::string& path) const {
        struct stat status {};
        EXPECT_EQ(::lstat((root_ / path).c_str(), &status), 0) << path;
        return status;
    }
    std::string content(const std::string& path) const {
        return read_file(root_ / path).value_or("?");
    }
    std::optional<std::string> xattr(const std::string& path, const char* name) const {
        std::string value(65536, '\0');
        const ssize_t size = ::lgetxattr((root_ / path).c_str(), name, value.data(), value.size());
        if (size < 0) return std::nullopt;
        value.resize(static_cast<std::size_t>(size));
        return value;
    }

    // Not in the layers' folder: that goes before TearDown.
    TempDir mount_point_ = *TempDir::create();
    const fs::path root_ = mount_point_.path();
    bool mounted_ = false;
};

TEST_F(MountedView, ShowsAllThatTheLayersSaid) {
    Layers layers;
    layers.with(base_layer()).with(TarBuilder()).with(upper_layer());
    if (!mount(layers)) GTEST_SKIP() << "cannot mount EROFS here";

    const struct stat root = status("");
    EXPECT_EQ(root.st_mode, static_cast<mode_t>(S_IFDIR | 0751));
    EXPECT_EQ(root.st_mtim.tv_sec, 5);
    EXPECT_EQ(root.st_nlink, 5U) << "etc, many, crowded";

    const struct stat passwd = status("etc/passwd");
    EXPECT_EQ(passwd.st_mode, static_cast<mode_t>(S_IFREG | 04755));
    EXPECT_EQ(passwd.st_uid, 3'000'000'000U);
    EXPECT_EQ(passwd.st_gid, 70'000U);
    EXPECT_EQ(passwd.st_mtim.tv_sec, -2);
    EXPECT_EQ(passwd.st_mtim.tv_nsec, 750'000'000);
    EXPECT_EQ(passwd.st_nlink, 2U);
    EXPECT_EQ(passwd.st_ino, status("etc/shadow").st_ino);
    EXPECT_EQ(content("etc/shadow"), "root:x:0:0::/:/bin/sh\n");
    EXPECT_EQ(xattr("etc/passwd", "user.note"), "hello");
    EXPECT_EQ(xattr("etc/passwd", "user.empty"), " ");
    EXPECT_TRUE(xattr("etc/passwd", "security.capability"));
    EXPECT_FALSE(xattr("etc/passwd", "trusted.overlay.opaque"));

    EXPECT_EQ(content("big"), std::string(100'000, 'b') + "end");
    EXPECT_EQ(content("upper"), "from above");
    EXPECT_FALSE(fs::exists(root_ / "etc/empty"));
    EXPECT_EQ(content(std::string(255, 'n')), "long name");
    EXPECT_EQ(fs::read_symlink(root_ / "etc/short"), "passwd");
    EXPECT_EQ(fs::read_symlink(root_ / "long"), std::string(4095, 'l'));
    EXPECT_EQ(fs::read_symlink(root_ / "attributes"), std::string(3000, 't'));
    EXPECT_EQ(xattr("attributes", "trusted.big"), std::string(60'000, 'x'));

    EXPECT_EQ(status("null").st_rdev, ::makedev(1, 3));
    EXPECT_EQ(status("disk").st_rdev, ::makedev(259, 70'000));
    EXPECT_TRUE(S_ISFIFO(status("pipe").st_mode));

    EXPECT_EQ(status("crowded").st_mode, static_cast<mode_t>(S_IFDIR | 0711));
    EXPECT_EQ(content("crowded/child"), "c");
    EXPECT_EQ(content("crowded/second"), std::string(4096, '2'));
}

TEST_F(MountedView, FindsEveryNameOfALargeDirectory) {
    Layers layers;
    layers.with(base_layer());
    if (!mount(layers)) GTEST_SKIP() << "cannot mount EROFS here";
    std::set<std::string> listed;
    for (const auto& entry : fs::directory_iterator(root_ / "many"))
        listed.insert(entry.path().filename());
    EXPECT_EQ(listed.size(), 3000U);
    for (int i = 0; i < 3000; ++i) {
        const std::string name = fmt::format("file-{}", i);
        EXPECT_TRUE(listed.contains(name));
        EXPECT_TRUE(fs::exists(root_ / "many" / name)) << name;
    }
    EXPECT_TRUE(fs::exists(root_ / "!first")) << "it sorts before . and ..";
    EXPECT_TRUE(fs::exists(root_ / "etc/.-between")) << "it sorts between . and ..";
    EXPECT_FALSE(fs::exists(root_ / "many/file-3000"));
}

}  // namespace
}  // namespace hako::fsimage
