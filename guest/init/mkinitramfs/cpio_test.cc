#include "init/mkinitramfs/cpio.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

namespace hako::init {
namespace {

TEST(Cpio, OthersReadIt) {
    const auto archive = make_cpio({{"bin", 0040755, ""},
                                    {"bin/tool", 0100755, "#!/bin/sh\n"},
                                    {"empty", 0100644, ""},
                                    {"link", 0120777, "bin/tool"}});
    ASSERT_TRUE(archive);
    EXPECT_EQ(archive->size() % 4, 0U);
    auto* reader = ::archive_read_new();
    ::archive_read_support_format_cpio(reader);
    ASSERT_EQ(::archive_read_open_memory(reader, archive->data(), archive->size()), ARCHIVE_OK);
    std::string found;
    ::archive_entry* entry = nullptr;
    while (::archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
        const char* link = ::archive_entry_symlink(entry);
        found += fmt::format("{} {:o} {} {}\n", ::archive_entry_pathname(entry),
                             ::archive_entry_mode(entry), ::archive_entry_size(entry),
                             link != nullptr ? link : "");
    }
    ::archive_read_free(reader);
    EXPECT_EQ(found,
              "bin 40755 0 \nbin/tool 100755 10 \nempty 100644 0 \nlink 120777 8 bin/tool\n");
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
