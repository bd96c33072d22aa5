#include "fsimage/ext4/format.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/units.h"

namespace hako::fsimage {
namespace {

using namespace std::chrono_literals;

class Ext4Test : public testing::Test {
protected:
    std::filesystem::path disk() const { return folder_.path() / "disk"; }
    std::string output(std::vector<std::string> argv) const {
        argv.push_back(disk().string());
        const auto result = run({.argv = std::move(argv)}, 60s);
        EXPECT_TRUE(result) << result.error().message();
        if (!result) return {};
        EXPECT_TRUE(result->status.success()) << result->out << result->err;
        return result->out;
    }

    TempDir folder_ = TempDir::create().value();
};

TEST_F(Ext4Test, IsCleanInEverySize) {
    for (const std::uint64_t size : {8 * kMiB, 100 * kMiB + 5000, 10 * kGiB, 64 * kGiB}) {
        SCOPED_TRACE(size);
        ASSERT_TRUE(
            format_ext4(disk(), {.size = size, .label = "scratch", .checksums = size < kGiB}));
        output({"e2fsck", "-fn"});
        struct stat status {};
        ASSERT_EQ(::stat(disk().c_str(), &status), 0);
        EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), size / 4096 * 4096);
        EXPECT_LT(status.st_blocks * 512, 2 * kMiB) << "it is to be sparse";
        std::filesystem::remove(disk());
    }
}

TEST_F(Ext4Test, HasWhatAScratchDiskWants) {
    ASSERT_TRUE(format_ext4(disk(), {.size = kGiB, .label = "sixteen bytes ok"}));
    const std::string about = output({"dumpe2fs", "-h"});
    for (const char* line :
         {"Filesystem volume name:   sixteen bytes ok\n", "has_journal", "extent", "metadata_csum",
          "Reserved block count:     0\n", "Filesystem state:         clean\n"})
        EXPECT_NE(about.find(line), std::string::npos) << line << about;
    const std::string root = output({"debugfs", "-R", "stat /"});
    EXPECT_NE(root.find("Mode:  0755"), std::string::npos) << root;
    EXPECT_NE(root.find("User:     0   Group:     0"), std::string::npos) << root;
    const std::string names = output({"debugfs", "-R", "ls -p /"});
    EXPECT_EQ(names, "/2/040755/0/0/.//\n/2/040755/0/0/..//\n\n") << "a fresh one is empty";
}

TEST_F(Ext4Test, WithoutChecksumsItsInodeTablesAreStillKnownToBeZeros) {
    ASSERT_TRUE(format_ext4(disk(), {.size = kGiB, .checksums = false}));
    const std::string about = output({"dumpe2fs"});
    EXPECT_EQ(about.find("metadata_csum"), std::string::npos) << about;
    EXPECT_NE(about.find("uninit_bg"), std::string::npos) << about;
    EXPECT_NE(about.find("ITABLE_ZEROED"), std::string::npos) << about;
}

// A number in dumpe2fs's listing.
std::uint64_t number_of(const std::string& about, const std::string& name) {
    const auto at = about.find("\n" + name + ":");
    return at == std::string::npos ? 0 : std::stoull(about.substr(at + name.size() + 2));
}

TEST_F(Ext4Test, KnowsItsOverheadSoThatTheFirstMountNeedNotWriteIt) {
    for (const std::uint64_t size : {8 * kMiB, 10 * kGiB, 64 * kGiB}) {
        SCOPED_TRACE(size);
        ASSERT_TRUE(format_ext4(disk(), {.size = size}));
        const std::string about = output({"dumpe2fs", "-h"});
        constexpr std::uint64_t kFolders = 1;  // the root, a block
        EXPECT_EQ(number_of(about, "Overhead clusters") + kFolders,
                  number_of(about, "Block count") - number_of(about, "Free blocks"))
            << about;
        std::filesystem::remove(disk());
    }
}

TEST_F(Ext4Test, HasTheFoldersAndFilesThatAreAskedFor) {
    const mode_t before = ::umask(077);
    ASSERT_TRUE(format_ext4(
        disk(), {.size = 8 * kMiB, .folders = {"upper", "work"}, .files = {"upper/.here"}}));
    ::umask(before);
    output({"e2fsck", "-fn"});
    const std::string file = output({"debugfs", "-R", "stat /upper/.here"});
    EXPECT_NE(file.find("Type: regular    Mode:  0755"), std::string::npos) << file;
    EXPECT_NE(file.find("Size: 0"), std::string::npos) << file;
    for (const char* folder : {"stat /upper", "stat /work"}) {
        const std::string about = output({"debugfs", "-R", folder});
        EXPECT_NE(about.find("Type: directory    Mode:  0755"), std::string::npos) << about;
        EXPECT_NE(about.find("User:     0   Group:     0"), std::string::npos) << about;
    }
}

TEST_F(Ext4Test, NoTwoAreTheSame) {
    ASSERT_TRUE(format_ext4(disk(), {.size = 8 * kMiB}));
    const std::string first = read_file(disk()).value();
    std::filesystem::remove(disk());
    ASSERT_TRUE(format_ext4(disk(), {.size = 8 * kMiB}));
    EXPECT_NE(first.substr(1024 + 0x68, 16), read_file(disk()).value().substr(1024 + 0x68, 16));
}

TEST_F(Ext4Test, RefusesWhatCannotBe) {
    EXPECT_EQ(format_ext4(disk(), {.size = kMiB}).error().kind(), ErrorKind::invalid);
    EXPECT_EQ(format_ext4(disk(), {.size = kGiB, .label = "seventeen bytes!!"}).error().kind(),
              ErrorKind::invalid);
    EXPECT_FALSE(format_ext4(disk(), {.size = ~std::uint64_t{0}}));
    EXPECT_FALSE(std::filesystem::exists(disk())) << "an error leaves nothing";

    ASSERT_TRUE(write_file(disk(), "precious"));
    EXPECT_EQ(format_ext4(disk(), {.size = kGiB}).error().kind(), ErrorKind::conflict);
    EXPECT_EQ(read_file(disk()).value(), "precious");
}

}  // namespace
}  // namespace hako::fsimage
