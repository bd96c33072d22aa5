// What virtiofsd would see, seen by a script in its place. The real one serves in
// tests/volume_test.py.
#include "vmm/share_server.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <thread>

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

class ShareServerTest : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "mounts are root's";
        const auto program = folder_.path() / "virtiofsd";
        ASSERT_TRUE(write_file(
            program, fmt::format("#!/bin/sh\nexec > {0}/seen 2>&1\n{1}\necho $$ > {0}/made && "
                                 "mv {0}/made {0}/pid\nexec sleep 1000\n",
                                 folder_.path().native(), kLook)));
        ::chmod(program.c_str(), 0755);
        ::setenv("HAKO_VIRTIOFSD", program.c_str(), 1);
        fs::create_directories(folder_.path() / "data" / "below");
        ASSERT_TRUE(write_file(folder_.path() / "data" / "file", "hello"));
        fs::create_symlink("/etc", folder_.path() / "data" / "out");
    }
    void TearDown() override { ::unsetenv("HAKO_VIRTIOFSD"); }

    Result<ShareServer> start(const std::vector<Share>& shares) {
        return ShareServer::start(shares, {fs::read_symlink("/proc/self/exe").native(), "shares"},
                                  {});
    }
    std::string error_of(const Share& share) {
        const auto server = start({share});
        return server ? "" : server.error().message();
    }
    // Once the script has looked around.
    std::string seen() {
        (void)seen_pid();
        return read_file(folder_.path() / "seen").value_or("");
    }
    std::string seen_pid() {
        for (int i = 0; i < 500 && !fs::exists(folder_.path() / "pid"); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return read_file(folder_.path() / "pid").value_or("0");
    }

    static constexpr const char* kLook =
        "cd /sys && ls && cat one && ls folder && touch folder/new && touch guarded/new; mkdir x";
    TempDir folder_ = *TempDir::create();
    fs::path data_ = folder_.path() / "data";
};

TEST_F(ShareServerTest, SeesTheSharesAndNothingElse) {
    const auto server = start({{.name = "folder", .source = data_},
                               {.name = "one", .source = data_ / "file"},
                               {.name = "guarded", .source = data_, .read_only = true},
                               {.name = "part", .source = data_, .subpath = "below"}});
    ASSERT_TRUE(server) << server.error().message();
    const auto text = seen();
    EXPECT_TRUE(text.starts_with("folder\nguarded\none\npart\nhellobelow\nfile\nout\n")) << text;
    EXPECT_NE(text.find("guarded/new"), std::string::npos) << text;  // touch complains
    EXPECT_NE(text.find("mkdir"), std::string::npos) << text;        // so does mkdir
    EXPECT_TRUE(fs::exists(data_ / "new"));
    EXPECT_FALSE(fs::exists("/sys/folder"));
}

TEST_F(ShareServerTest, TellsHowManyFilesItMayHoldOpen) {
    ASSERT_TRUE(write_file(folder_.path() / "virtiofsd",
                           fmt::format("#!/bin/sh\nulimit -n 321\necho $$ > {0}/made && "
                                       "mv {0}/made {0}/pid\nexec sleep 1000\n",
                                       folder_.path().native())));
    const auto server = start({{.name = "one", .source = data_ / "file"}});
    ASSERT_TRUE(server) << server.error().message();
    (void)seen_pid();
    EXPECT_EQ(server->max_files(), 321u);
}

TEST_F(ShareServerTest, EndsWithItsOwner) {
    pid_t pid = 0;
    {
        const auto server = start({{.name = "folder", .source = data_}});
        ASSERT_TRUE(server) << server.error().message();
        (void)seen();
        pid = std::stoi(seen_pid());
        EXPECT_EQ(::kill(pid, 0), 0);
    }
    EXPECT_NE(::kill(pid, 0), 0);
}

TEST_F(ShareServerTest, SharesComeAndGoWhileItServes) {
    const auto self = fs::read_symlink("/proc/self/exe").native();
    ASSERT_TRUE(write_file(folder_.path() / "virtiofsd",
                           fmt::format("#!/bin/sh\necho $$ > {}/pid\nexec {} shut-in\n",
                                       folder_.path().native(), self)));
    auto server = start({{.name = "first", .source = data_}});
    ASSERT_TRUE(server) << server.error().message();
    const std::vector<Share> others = {{.name = "folder", .source = data_},
                                       {.name = "one", .source = data_ / "file"},
                                       {.name = "guarded", .source = data_, .read_only = true}};
    const auto added = server->add(others);
    ASSERT_TRUE(added) << added.error().message();
    const fs::path root = fmt::format("/proc/{}/root", std::stoi(seen_pid()));
    const auto names = [&] {
        std::set<std::string> found;
        for (const auto& entry : fs::directory_iterator(root))
            found.insert(entry.path().filename());
        return found;
    };
    EXPECT_EQ(names(), (std::set<std::string>{"first", "folder", "guarded", "one"}));
    EXPECT_EQ(read_file(root / "one").value_or(""), "hello");
    EXPECT_TRUE(write_file(root / "folder" / "new", "x"));
    EXPECT_TRUE(fs::exists(data_ / "new"));
    EXPECT_FALSE(write_file(root / "guarded" / "new", "x"));
    EXPECT_FALSE(write_file(root / "new", "x")) << "the root itself stays read-only";

    const auto refused = server->add(
        {{.name = "good", .source = data_}, {.name = "absent", .source = data_ / "absent"}});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("data/absent"), std::string::npos);
    EXPECT_FALSE(names().contains("good")) << "all or nothing";

    auto writable = others.back();
    writable.read_only = false;
    const auto opened = server->add({writable, others.front()});
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_TRUE(write_file(root / "guarded" / "new", "y"));

    ASSERT_TRUE(server->remove({"one", "folder"}));
    EXPECT_EQ(names(), (std::set<std::string>{"first", "guarded"}));
    EXPECT_TRUE(fs::exists(data_ / "file"));
    ASSERT_TRUE(server->add({others.front()}));
    EXPECT_TRUE(fs::exists(root / "folder" / "file"));
}

TEST_F(ShareServerTest, NamesWhatCannotBeShared) {
    EXPECT_NE(error_of({.name = "a", .source = data_ / "absent"}).find("data/absent"),
              std::string::npos);
    EXPECT_NE(error_of({.name = "a", .source = "/dev/null"}).find("neither a folder nor"),
              std::string::npos);
    EXPECT_NE(error_of({.name = "a", .source = data_, .subpath = "out"}).find("leaves"),
              std::string::npos);
    EXPECT_NE(error_of({.name = "a", .source = data_, .subpath = "../data"}).find("leaves"),
              std::string::npos);
    ::setenv("HAKO_VIRTIOFSD", "/nonexistent", 1);
    EXPECT_NE(error_of({.name = "a", .source = data_}).find("/nonexistent"), std::string::npos);
}

TEST_F(ShareServerTest, RefusesSharesWithoutAName) {
    EXPECT_FALSE(validate(std::vector<Share>{{.name = "../up", .source = "/srv"}}));
    EXPECT_FALSE(validate(std::vector<Share>{{.name = "", .source = "/srv"}}));
    EXPECT_FALSE(validate(std::vector<Share>{{.name = "a", .source = "srv"}}));
    EXPECT_FALSE(
        validate(std::vector<Share>{{.name = "a", .source = "/s"}, {.name = "a", .source = "/t"}}));
    const std::vector<Share> shares{{"a", "/srv", "below", true}};
    const auto read = shares_from_json(to_json(shares));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->at(0).source, "/srv");
    EXPECT_EQ(read->at(0).subpath, "below");
    EXPECT_TRUE(read->at(0).read_only);
}

}  // namespace
}  // namespace hako::vmm
