// The writers below the boot disk; whole disks are checked by tests/macos_disk_test.py.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/units.h"
#include "macos/esp_disk.h"
#include "macos/fat32.h"
#include "macos/plist.h"

namespace hako::macos {
namespace {

using ::testing::HasSubstr;

std::string refusal(std::uint64_t bytes, const FileTree& tree) {
    const auto folder = TempDir::create().value();
    const Fd fd = open_file(folder.path() / "disk", O_RDWR | O_CREAT).value();
    EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
    const auto written = write_fat32({.fd = fd.get(), .bytes = bytes}, tree);
    return written ? "" : written.error().message();
}

TEST(Fat32, IsRefusedWhereItWouldBeAnotherFat) {
    EXPECT_THAT(refusal(32 * kMiB, {}), HasSubstr("too few for a FAT32"));
    EXPECT_THAT(refusal(1000, {}), HasSubstr("no room"));
    EXPECT_EQ(refusal(34 * kMiB, {}), "");
    EXPECT_EQ(refusal(300 * kMiB, {{"a", "b"}}), "");
}

TEST(Fat32, FilesMustFit) {
    EXPECT_THAT(refusal(34 * kMiB, {{"large", std::string(35 * kMiB, 'x')}}),
                HasSubstr("make the disk larger"));
}

TEST(Fat32, NamesAreChecked) {
    for (const std::string name :
         {"a:b", "tail.", "tail ", "..", "a//b", "c\x7f", "\xc3\xa9", "q?", "back\\slash"})
        EXPECT_THAT(refusal(34 * kMiB, {{name, ""}}), HasSubstr("rename it")) << name;
    EXPECT_THAT(refusal(34 * kMiB, {{std::string(256, 'n'), ""}}), HasSubstr("rename it"));
    EXPECT_EQ(refusal(34 * kMiB, {{std::string(255, 'n'), ""}}), "");
    EXPECT_THAT(refusal(34 * kMiB, {{"EFI/a", ""}, {"efi/a", ""}}), HasSubstr("there twice"));
    EXPECT_THAT(refusal(34 * kMiB, {{"EFI", ""}, {"EFI/a", ""}}), HasSubstr("there twice"));
}

TEST(EspDisk, GrowsWithItsFilesAndLeavesNothingWhenItFails) {
    const auto folder = TempDir::create().value();
    const auto disk = folder.path() / "disk";
    ASSERT_TRUE(write_esp_disk(disk, {{"small", "x"}}));
    EXPECT_EQ(std::filesystem::file_size(disk), 64 * kMiB);
    ASSERT_TRUE(write_esp_disk(disk, {{"large", std::string(100 * kMiB, 'x')}}));
    EXPECT_GT(std::filesystem::file_size(disk), 110 * kMiB);
    EXPECT_FALSE(write_esp_disk(folder.path() / "other", {{"a:b", ""}}));
    const auto files = std::filesystem::directory_iterator(folder.path());
    EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST(Plist, WritesEveryKindOfValue) {
    const Plist list = Plist::Dict{{"a<b", true},
                                   {"number", -1},
                                   {"data", Plist::Data{"\x01\x02"}},
                                   {"text", "<&>"},
                                   {"none", Plist::Array{}},
                                   {"empty", Plist::Dict{}},
                                   {"list", Plist::Array{"one", false}}};
    EXPECT_THAT(list.to_xml(), HasSubstr("<plist version=\"1.0\">\n"
                                         "<dict>\n"
                                         "\t<key>a&lt;b</key>\n\t<true/>\n"
                                         "\t<key>number</key>\n\t<integer>-1</integer>\n"
                                         "\t<key>data</key>\n\t<data>AQI=</data>\n"
                                         "\t<key>text</key>\n\t<string>&lt;&amp;&gt;</string>\n"
                                         "\t<key>none</key>\n\t<array/>\n"
                                         "\t<key>empty</key>\n\t<dict/>\n"
                                         "\t<key>list</key>\n\t<array>\n\t\t<string>one</string>\n"
                                         "\t\t<false/>\n\t</array>\n</dict>\n</plist>\n"));
}

}  // namespace
}  // namespace hako::macos
