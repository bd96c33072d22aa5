#include "base/program.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"

namespace hako {
namespace {

namespace fs = std::filesystem;

// PATH as long as it lives.
class ProgramTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(folder_);
        ::setenv("PATH", folder_->path().c_str(), 1);
    }
    void TearDown() override { ::setenv("PATH", before_.c_str(), 1); }

    fs::path make(const std::string& name, fs::perms mode = fs::perms::owner_all) {
        const auto path = folder_->path() / name;
        EXPECT_TRUE(write_file(path, "#!/bin/sh\n"));
        fs::permissions(path, mode);
        return path;
    }

    std::vector<std::string> tied() {
        std::vector<std::string> argv{"qemu", "-S"};
        tie_to_us(argv);
        return argv;
    }

    Result<TempDir> folder_ = TempDir::create();
    std::string before_ = std::getenv("PATH");
};

TEST_F(ProgramTest, IsAnExecutableFileOfThePath) {
    make("readme", fs::perms::owner_read);
    const auto tool = make("tool");
    EXPECT_FALSE(find_program("readme"));
    EXPECT_FALSE(find_program("none"));
    EXPECT_EQ(find_program("tool"), tool);
}

TEST_F(ProgramTest, IsTiedByASetprivThatCan) {
    const std::vector<std::string> plain{"qemu", "-S"};
    EXPECT_EQ(tied(), plain);
    fs::create_symlink(make("busybox"), folder_->path() / "setpriv");
    EXPECT_EQ(tied(), plain);
    fs::remove(folder_->path() / "setpriv");
    const auto setpriv = make("setpriv");
    EXPECT_EQ(tied(),
              (std::vector<std::string>{setpriv.native(), "--pdeathsig", "KILL", "qemu", "-S"}));
}

}  // namespace
}  // namespace hako
