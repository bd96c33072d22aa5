#include "macos/snapshots.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/units.h"
#include "macos/disk_image.h"
#include "macos/disk_place.h"

namespace hako::macos {
namespace {

using ::testing::HasSubstr;

class Snapshots : public ::testing::Test {
protected:
    void SetUp() override {
        put("data.img", "old");
        put("vars.fd", "old vars");
        put("identity.json", "who");
    }
    void put(const std::string& name, std::string_view text) const {
        ASSERT_TRUE(write_file(at(name), text));
    }
    std::string get(const std::string& name) const { return read_file(at(name)).value_or("none"); }
    std::filesystem::path at(const std::string& name) const { return folder_.path() / name; }
    const std::filesystem::path& folder() const { return folder_.path(); }

    TempDir folder_ = TempDir::create().value();
};

TEST_F(Snapshots, PutBackWhatWas) {
    ASSERT_TRUE(take_snapshot(folder(), "first"));
    put("data.img", "new");
    put("vars.fd", "new vars");
    put("data2.img", "made later");
    ASSERT_TRUE(restore_snapshot(folder(), "first", true));
    EXPECT_EQ(get("data.img"), "old");
    EXPECT_EQ(get("vars.fd"), "old vars");
    EXPECT_EQ(get("data2.img"), "made later") << "no disk is destroyed";
    EXPECT_FALSE(memory_to_load(folder()));
    EXPECT_EQ(get("restoring"), "none");
}

TEST_F(Snapshots, HoldDisksThatLieElsewhere) {
    const auto elsewhere = TempDir::create().value();
    MacSettings settings{.version = find_version("14").value()};
    settings.disks = {kGiB, kGiB};
    ASSERT_TRUE(place_disks(folder(), settings, {{1, elsewhere.path()}}));
    EXPECT_EQ(disk_folder(folder(), "data2"), elsewhere.path());
    EXPECT_EQ(disk_folder(folder(), "data"), folder());
    const auto disk = elsewhere.path() / "data2.img";
    ASSERT_TRUE(write_file(disk, "old"));
    ASSERT_TRUE(take_snapshot(folder(), "first"));
    ASSERT_TRUE(write_file(disk, "new"));
    ASSERT_TRUE(restore_snapshot(folder(), "first", true));
    EXPECT_EQ(read_file(disk).value(), "old");
    EXPECT_EQ(get("data2.img"), "none");

    // Nothing takes the place of a disk that is there.
    const auto refused = place_disks(folder(), settings, {});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(),
                HasSubstr(fmt::format("mount {} at /storage2", elsewhere.path().native())));
    std::filesystem::remove(disk);
    ASSERT_TRUE(place_disks(folder(), settings, {}));
    EXPECT_EQ(disk_folder(folder(), "data2"), folder());
}

TEST_F(Snapshots, KeepMemoryOnceForTheNextStart) {
    const auto save = [](const std::filesystem::path& file) { return write_file(file, "memory"); };
    ASSERT_TRUE(take_snapshot(folder(), "live", save));
    EXPECT_TRUE(list_snapshots(folder()).value().front().has_memory);
    ASSERT_TRUE(restore_snapshot(folder(), "live", true));
    EXPECT_EQ(read_file(memory_to_load(folder()).value()).value(), "memory");
    ASSERT_TRUE(restore_snapshot(folder(), "live", false));
    EXPECT_FALSE(memory_to_load(folder())) << "the disks alone were asked for";
}

TEST_F(Snapshots, AnotherMachineBeginsWithOne) {
    const auto source = folder() / "a/14";
    const auto clone = folder() / "b/14";
    std::filesystem::create_directories(source);
    std::filesystem::create_directories(clone);
    put("a/14/data.img", "installed");
    put("a/14/vars.fd", "vars");
    put("a/14/identity.json", "who");
    const auto save = [](const std::filesystem::path& file) { return write_file(file, "memory"); };
    ASSERT_TRUE(take_snapshot(source, "clean", save));
    ASSERT_TRUE(note_growth(source, "data", 99));
    put("a/14/data.img", "used");
    const auto snapshot = find_snapshot(source, "clean").value();
    put("b/14/data.img", "half of a copy that was cut short");
    ASSERT_TRUE(begin_with(snapshot, clone));
    EXPECT_EQ(get("b/14/data.img"), "installed");
    EXPECT_EQ(get("b/14/identity.json"), "who");
    EXPECT_EQ(grown_bytes(clone, "data"), 99U);
    EXPECT_EQ(read_file(memory_to_load(clone).value()).value(), "memory");

    put("b/14/data.img", "its own");
    ASSERT_TRUE(begin_with(snapshot, clone));
    EXPECT_EQ(get("b/14/data.img"), "its own") << "a machine begins once";

    std::filesystem::create_directories(folder() / "b/15");
    EXPECT_THAT(begin_with(snapshot, folder() / "b/15").error().message(),
                HasSubstr("is of macOS 14"));
    EXPECT_EQ(find_snapshot(source, "other").error().kind(), ErrorKind::not_found);
}

TEST_F(Snapshots, ATakenNameOrNoneIsRefused) {
    ASSERT_TRUE(take_snapshot(folder(), "a"));
    EXPECT_EQ(take_snapshot(folder(), "a").error().kind(), ErrorKind::conflict);
    for (const auto* wrong : {"", ".", "..", "../x", ".a", "a/b", "a b"})
        EXPECT_EQ(take_snapshot(folder(), wrong).error().kind(), ErrorKind::invalid) << wrong;
    EXPECT_EQ(restore_snapshot(folder(), "b", true).error().kind(), ErrorKind::not_found);
    EXPECT_EQ(remove_snapshot(folder(), "b").error().kind(), ErrorKind::not_found);
}

TEST_F(Snapshots, LeaveNothingWhenTheyFail) {
    const auto full = [](const std::filesystem::path&) -> Result<void> {
        return fail(ErrorKind::exhausted, "the disk is full");
    };
    const auto taken = take_snapshot(folder(), "a", full);
    ASSERT_FALSE(taken);
    EXPECT_THAT(taken.error().message(), HasSubstr("the disk is full"));
    EXPECT_TRUE(list_snapshots(folder()).value().empty());
    EXPECT_TRUE(std::filesystem::is_empty(at("snapshots")));
}

TEST_F(Snapshots, ARestoreThatWasCutShortIsFinished) {
    ASSERT_TRUE(take_snapshot(folder(), "first"));
    put("data.img", "half restored");
    put("vars.fd", "new vars");
    put("restoring", "first");
    ASSERT_TRUE(finish_restore(folder()));
    EXPECT_EQ(get("data.img"), "old");
    EXPECT_EQ(get("vars.fd"), "old vars");
    ASSERT_TRUE(finish_restore(folder())) << "there is nothing left to do";
}

TEST_F(Snapshots, OneThatWasCutShortIsNone) {
    std::filesystem::create_directories(at("snapshots/.a"));
    put("snapshots/.a/data.img", "half");
    EXPECT_TRUE(list_snapshots(folder()).value().empty());
    ASSERT_TRUE(take_snapshot(folder(), "a"));
    EXPECT_EQ(get("snapshots/a/data.img"), "old");
    ASSERT_TRUE(remove_snapshot(folder(), "a"));
    EXPECT_TRUE(std::filesystem::is_empty(at("snapshots")));
}

TEST_F(Snapshots, AnotherFormatGivesWay) {
    ASSERT_TRUE(take_snapshot(folder(), "raw"));
    std::filesystem::rename(at("data.img"), at("data.qcow2"));
    ASSERT_TRUE(restore_snapshot(folder(), "raw", true));
    EXPECT_EQ(get("data.img"), "old");
    EXPECT_EQ(get("data.qcow2"), "none");
}

TEST_F(Snapshots, HolesStayHoles) {
    const Fd disk = open_file(at("data.img"), O_RDWR | O_TRUNC).value();
    ASSERT_EQ(::ftruncate(disk.get(), off_t{1} << 36U), 0);
    ASSERT_EQ(::pwrite(disk.get(), "guest", 5, off_t{1} << 35U), 5);
    ASSERT_TRUE(take_snapshot(folder(), "sparse"));
    struct stat status {};
    ASSERT_EQ(::stat(at("snapshots/sparse/data.img").c_str(), &status), 0);
    EXPECT_EQ(status.st_size, off_t{1} << 36U);
    EXPECT_LT(status.st_blocks, 1000);
    char text[5];
    const Fd copy = open_file(at("snapshots/sparse/data.img"), O_RDONLY).value();
    ASSERT_EQ(::pread(copy.get(), text, 5, off_t{1} << 35U), 5);
    EXPECT_EQ(std::string(text, 5), "guest");
}

}  // namespace
}  // namespace hako::macos
