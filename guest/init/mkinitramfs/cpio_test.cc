#include "init/mkinitramfs/cpio.h"

#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/process.h"

namespace hako::init {
namespace {

TEST(Cpio, OtherToolsReadIt) {
    const auto archive = make_cpio({{"bin", 0040755, ""},
                                    {"bin/tool", 0100755, "#!/bin/sh\n"},
                                    {"empty", 0100644, ""},
                                    {"link", 0120777, "bin/tool"}});
    ASSERT_TRUE(archive);
    EXPECT_EQ(archive->size() % 4, 0U);
    const auto folder = TempDir::create();
    ASSERT_TRUE(write_file(folder->path() / "a.cpio", *archive));
    const auto listed =
        run({{"bsdtar", "-tvf", (folder->path() / "a.cpio").string()}}, std::chrono::seconds(20));
    if (!listed) GTEST_SKIP() << "bsdtar is not installed";
    EXPECT_TRUE(listed->status.success()) << listed->err;
    EXPECT_NE(listed->out.find("bin/tool"), std::string::npos) << listed->out;
    EXPECT_NE(listed->out.find("link -> bin/tool"), std::string::npos) << listed->out;
}

TEST(Cpio, HeadersAreByteExact) {
    const auto archive = make_cpio({{"a", 0100644, "xyz"}});
    ASSERT_TRUE(archive);
    EXPECT_EQ(archive->substr(0, 112),
              "070701"
              "00000001"
              "000081a4"
              "00000000"
              "00000000"
              "00000001"
              "00000000"
              "00000003"
              "00000000"
              "00000000"
              "00000000"
              "00000000"
              "00000002"
              "00000000" +
                  std::string("a\0", 2));
    EXPECT_EQ(archive->substr(112, 4), std::string("xyz\0", 4));
    EXPECT_EQ(*make_cpio({{"a", 0100644, "xyz"}}), *archive);
}

TEST(Cpio, NamesThatTheKernelWouldMisreadAreRefused) {
    for (const char* name : {"", "/init", "a/../b", "..", "a//b", "./a", "a/", "TRAILER!!!"})
        EXPECT_FALSE(make_cpio({{name, 0100644, ""}})) << name;
    EXPECT_FALSE(make_cpio({{"a", 0100644, ""}, {"a", 0100644, ""}}));
}

}  // namespace
}  // namespace hako::init
