#include "macos/opencore_files.h"

#include <gmock/gmock.h>

#include "base/fd.h"
#include "base/paths.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OpenCoreFilesTest : public ::testing::Test {
protected:
    fs::path at(const fs::path& name) const { return temporary_.path() / name; }
    void write(const fs::path& name) const {
        ASSERT_TRUE(make_folders(at(name).parent_path()));
        ASSERT_TRUE(write_file(at(name), name.filename().native()));
    }
    void write_release(const fs::path& folder) const {
        write(folder / "EFI/BOOT/BOOTx64.efi");
        write(folder / "EFI/OC/OpenCore.efi");
    }
    std::vector<fs::path> sources(const fs::path& name) const {
        std::vector<fs::path> paths;
        for (const auto& source : sources_in(at(name)))
            paths.push_back(source.path.lexically_relative(temporary_.path()));
        return paths;
    }

    TempDir temporary_ = TempDir::create().value();
};

TEST_F(OpenCoreFilesTest, AReleaseIsOneSource) {
    write_release("a");
    write_release("b/X64");
    write("b/Docs/x.txt");
    write("Lilu.kext/Contents/Info.plist");
    write("a.zip");
    for (const auto* name : {"a", "b", "Lilu.kext", "a.zip"})
        EXPECT_THAT(sources(name), ElementsAre(name));
    EXPECT_THAT(sources("a/"), ElementsAre("a"));
}

TEST_F(OpenCoreFilesTest, AnotherFolderIsWhatLiesInIt) {
    write("all/Lilu.zip");
    write("all/notes.txt");
    write_release("all/OpenCore-1");
    EXPECT_THAT(sources("all"), ElementsAre("all/OpenCore-1", "all/Lilu.zip"));
    ASSERT_TRUE(make_folders(at("none")));
    EXPECT_TRUE(sources("none").empty());
    EXPECT_TRUE(sources("nowhere").empty());
    EXPECT_THAT(sources_at({at("all"), at("none")}).error().message(),
                HasSubstr("nothing of OpenCore is in " + at("none").native()));
    EXPECT_THAT(sources_at({at("nowhere")}).error().message(), HasSubstr("there is no "));
}

TEST_F(OpenCoreFilesTest, AFoldersNameSaysWhatItsFilesAre) {
    write_release("all/OpenCore-1/X64");
    write("all/Lilu.kext/Contents/Info.plist");
    write("all/Resources/Image/Cursor.icns");
    const auto tree = read_opencore(sources_in(at("all"))).value().tree;
    EXPECT_TRUE(tree.contains("EFI/OC/OpenCore.efi"));
    EXPECT_TRUE(tree.contains("EFI/OC/Kexts/Lilu.kext/Contents/Info.plist"));
    EXPECT_TRUE(tree.contains("EFI/OC/Resources/Image/Cursor.icns"));
    EXPECT_TRUE(read_opencore({{.path = at("all/OpenCore-1/X64/EFI")}}));
}

}  // namespace
}  // namespace hako::macos
