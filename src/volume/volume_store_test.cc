#include "volume/volume_store.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "volume/file_system.h"

namespace hako::volume {
namespace {

namespace fs = std::filesystem;

class VolumeStoreTest : public ::testing::Test {
protected:
    VolumeStoreTest() { EXPECT_TRUE(store_.open()); }

    TempDir folder_ = *TempDir::create();
    std::unique_ptr<store::Database> database_ = *store::Database::open(":memory:");
    VolumeStore store_{*database_, folder_.path() / "volumes"};
};

TEST_F(VolumeStoreTest, RemembersWhatAVolumeIs) {
    const auto made = store_.create({.name = "data", .labels = {{"of", "me"}}, .anonymous = true});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_TRUE(made->is_new);
    const auto found = store_.find("data");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->labels.at("of"), "me");
    EXPECT_TRUE(found->anonymous);
    EXPECT_EQ(format_time(found->created), format_time(made->volume.created));
    EXPECT_EQ(fs::status(store_.data(*found)).permissions(), fs::perms(0755));
}

TEST_F(VolumeStoreTest, SecondCreationIsTheSameVolume) {
    ASSERT_TRUE(store_.create({.name = "data"}));
    const auto again = store_.create({.name = "data", .labels = {{"a", "b"}}});
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->is_new);
    EXPECT_TRUE(again->volume.labels.empty());
    const auto other = store_.create({.name = "data", .driver = "block"});
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().kind(), ErrorKind::conflict);
    EXPECT_EQ(store_.list()->size(), 1U);
}

TEST_F(VolumeStoreTest, RemovesFilesAndRecord) {
    const auto volume = store_.create({.name = "data"})->volume;
    ASSERT_TRUE(write_file(store_.data(volume) / "file", "x"));
    ASSERT_TRUE(store_.remove("data"));
    EXPECT_FALSE(fs::exists(folder_.path() / "volumes" / "data"));
    EXPECT_TRUE(fs::is_empty(folder_.path() / "volumes"));
    EXPECT_EQ(store_.find("data").error().kind(), ErrorKind::not_found);
    EXPECT_EQ(store_.remove("data").error().kind(), ErrorKind::not_found);
}

TEST_F(VolumeStoreTest, KeepsAFolderOfTheHost) {
    const auto device = folder_.path() / "mine";
    fs::create_directory(device);
    const auto made = store_.create(
        {.name = "data", .options = {{"type", "none"}, {"o", "bind"}, {"device", device}}});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(store_.data(made->volume), device);
    ASSERT_TRUE(store_.remove("data"));
    EXPECT_TRUE(fs::exists(device));
}

TEST_F(VolumeStoreTest, ReadsTheWordsOfAFolder) {
    const auto create = [&](const std::string& name, const std::string& words) {
        return store_.create({.name = name, .options = {{"o", words}, {"device", "/srv"}}});
    };
    for (const auto& [words, read_only] :
         {std::pair("bind", false), std::pair("bind,ro", true), std::pair("ro,noatime,rbind", true),
          std::pair("bind,ro,rw", false)}) {
        const auto made = create(fmt::format("data{}", store_.list()->size()), words);
        ASSERT_TRUE(made) << made.error().message();
        EXPECT_EQ(is_read_only(made->volume), read_only) << words;
    }
    const auto unknown = create("xx", "bind,size=1m");
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().kind(), ErrorKind::invalid);
    EXPECT_NE(unknown.error().message().find("the word size=1m of the volume option o"),
              std::string::npos);
    EXPECT_FALSE(create("xx", "ro"));
    EXPECT_FALSE(create("xx", "unbind"));
}

TEST_F(VolumeStoreTest, ReadsTheWordsOfAFileSystem) {
    const auto read = [&](const std::string& words) {
        return *file_system_of(
            {.name = "xx", .options = {{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", words}}});
    };
    constexpr unsigned long kAlways = MS_NOSUID | MS_NODEV;
    EXPECT_EQ(read("").data, "");
    EXPECT_EQ(read("").flags, kAlways);
    EXPECT_EQ(read("size=1m,noexec,rw,uid=1000,nosuid,relatime").data, "size=1m,uid=1000");
    EXPECT_EQ(read("size=1m,noexec,nosuid,relatime").flags, kAlways | MS_NOEXEC | MS_RELATIME);
    EXPECT_EQ(read("ro").flags, kAlways | MS_RDONLY);
    EXPECT_EQ(read("ro,rw").flags, kAlways);
    EXPECT_FALSE(file_system_of(
        {.name = "xx", .options = {{"type", "none"}, {"o", "bind"}, {"device", "/srv"}}}));
    EXPECT_FALSE(file_system_of({.name = "xx"}));
}

TEST_F(VolumeStoreTest, ReadsWhatNoContainerMayDo) {
    const auto read = [](const std::string& words) {
        return restrictions_of({.name = "xx", .options = {{"o", words}}});
    };
    EXPECT_EQ(read("bind"), std::vector<std::string>());
    EXPECT_EQ(read("bind,noexec,nodev"), (std::vector<std::string>{"noexec", "nodev"}));
    EXPECT_EQ(read("noexec,nosuid,exec"), std::vector<std::string>{"nosuid"});
}

TEST_F(VolumeStoreTest, MountsAFileSystemAndNeverRemovesWhatIsInIt) {
    const auto made = store_.create(
        {.name = "mem",
         .options = {{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=1m,mode=0700"}}});
    ASSERT_TRUE(made) << made.error().message();
    const auto folder = store_.data(made->volume);
    EXPECT_EQ(folder, folder_.path() / "volumes" / "mem" / "_data");
    EXPECT_FALSE(is_mount_point(folder));
    ASSERT_TRUE(mount_volume(made->volume, folder));
    EXPECT_TRUE(is_mount_point(folder));
    EXPECT_TRUE(mount_volume(made->volume, folder)) << "it is there already";
    EXPECT_EQ(fs::space(folder).capacity, kMiB);
    ASSERT_TRUE(write_file(folder / "file", "kept"));
    const auto other = open_file(folder / "file", O_RDONLY).value();
    ASSERT_TRUE(store_.remove("mem"));
    EXPECT_FALSE(fs::exists(folder));
    struct stat status {};
    ASSERT_EQ(::fstat(other.get(), &status), 0);
    EXPECT_EQ(status.st_nlink, 1U) << "who has it open still has it";
}

TEST_F(VolumeStoreTest, SaysWhyAFileSystemIsNotMounted) {
    const auto error = [&](const StringMap& options) {
        const Volume volume{.name = "xx", .options = options};
        return mount_volume(volume, folder_.path()).error().message();
    };
    EXPECT_EQ(
        error({{"type", "nosuchfs"}, {"device", "x"}, {"o", "a=1,ro"}}),
        "cannot mount volume xx (type nosuchfs, device x, o a=1,ro): the host's kernel has no "
        "file system of the type nosuchfs");
    EXPECT_NE(error({{"type", "nfs"}, {"device", "no-such-host.invalid:/x"}})
                  .find("no address for the server no-such-host.invalid"),
              std::string::npos);
    EXPECT_NE(error({{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=huge"}})
                  .find("Invalid argument"),
              std::string::npos);
}

TEST_F(VolumeStoreTest, BlockVolumeIsASparseDisk) {
    const auto made =
        store_.create({.name = "disk", .driver = "block", .options = {{"size", "32m"}}});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(fs::file_size(store_.data(made->volume)), 32 * kMiB);
    EXPECT_LT(store_.used_bytes(made->volume), 8 * kMiB);
}

TEST_F(VolumeStoreTest, RefusesWhatItCannotKeep) {
    for (const char* name : {"", "a", ".hidden", "a/b", "../up", "sp ace"})
        EXPECT_EQ(store_.create({.name = name}).error().kind(), ErrorKind::invalid) << name;
    EXPECT_EQ(store_.create({.name = "xx", .driver = "nfs"}).error().kind(), ErrorKind::not_found);
    EXPECT_FALSE(store_.create({.name = "xx", .options = {{"size", "1g"}}}));
    EXPECT_FALSE(store_.create({.name = "xx", .driver = "block", .options = {{"size", "1k"}}}));
    EXPECT_FALSE(store_.create({.name = "xx", .options = {{"type", "nfs"}, {"o", "addr=x"}}}));
    EXPECT_FALSE(store_.create({.name = "xx", .options = {{"device", "/srv"}}}));
    EXPECT_TRUE(fs::is_empty(folder_.path() / "volumes"));
}

TEST_F(VolumeStoreTest, NextDaemonRemovesWhatACrashLeft) {
    ASSERT_TRUE(store_.create({.name = "data"}));
    fs::create_directories(folder_.path() / "volumes" / ".removed-1" / "below");
    fs::create_directories(folder_.path() / "volumes" / "unknown" / "_data" / "kept");
    VolumeStore next(*database_, folder_.path() / "volumes");
    ASSERT_TRUE(next.open());
    EXPECT_FALSE(fs::exists(folder_.path() / "volumes" / ".removed-1"));
    EXPECT_TRUE(fs::exists(folder_.path() / "volumes" / "data"));
    const auto adopted = next.create({.name = "unknown"});
    ASSERT_TRUE(adopted);
    EXPECT_TRUE(fs::exists(next.data(adopted->volume) / "kept"));
}

}  // namespace
}  // namespace hako::volume
