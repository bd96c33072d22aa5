#include "vmm/memory_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "base/units.h"

namespace hako::vmm {
namespace {

constexpr std::size_t kPage = 4096;

class MemoryFileTest : public testing::Test {
protected:
    Fd make(const std::string& name, std::uint64_t bytes) {
        auto file = open_file(folder_.path() / name, O_RDWR | O_CREAT | O_EXCL, 0600);
        EXPECT_TRUE(file);
        EXPECT_EQ(::ftruncate(file->get(), static_cast<off_t>(bytes)), 0);
        return *std::move(file);
    }
    static void put(const Fd& file, std::string_view text, std::uint64_t at) {
        EXPECT_EQ(::pwrite(file.get(), text.data(), text.size(), static_cast<off_t>(at)),
                  static_cast<ssize_t>(text.size()));
    }
    static std::map<std::uint64_t, char> pages(const Fd& file, std::uint64_t begin,
                                               std::uint64_t bytes) {
        std::map<std::uint64_t, char> found;
        EXPECT_TRUE(for_each_page(file.get(), begin, bytes,
                                  [&](std::uint64_t number, auto page) -> Result<void> {
                                      EXPECT_EQ(page.size(), kPage);
                                      found[number] = static_cast<char>(page[7]);
                                      return {};
                                  }));
        return found;
    }
    TempDir folder_ = *TempDir::create();
};

TEST_F(MemoryFileTest, FindsThePagesThatAreNotZero) {
    const auto file = make("a", 8 * kMiB);
    put(file, "x", 100);  // before the memory
    put(file, "a", kPage + 7);
    put(file, std::string(3 * kPage, '\0'), 3 * kMiB);  // data, yet zero
    put(file, "b", 5 * kMiB + kPage + 7);
    put(file, "c", 8 * kMiB - kPage + 7);
    EXPECT_EQ(pages(file, kPage, 8 * kMiB - kPage),
              (std::map<std::uint64_t, char>{
                  {0, 'a'}, {5 * kMiB / kPage, 'b'}, {8 * kMiB / kPage - 2, 'c'}}));
    EXPECT_TRUE(pages(file, kPage, 0).empty());
}

TEST_F(MemoryFileTest, ACopyHasHolesWhereTheMemoryIsZero) {
    const auto from = make("a", 8 * kMiB);
    put(from, std::string(kMiB, '\0'), 0);
    put(from, "b", 5 * kMiB + 7);
    const auto to = make("b", 8 * kMiB + kPage);
    ASSERT_TRUE(copy_memory(from.get(), 0, to.get(), kPage, 8 * kMiB));
    EXPECT_EQ(pages(to, kPage, 8 * kMiB), (std::map<std::uint64_t, char>{{5 * kMiB / kPage, 'b'}}));
    struct stat status {};
    ASSERT_EQ(::fstat(to.get(), &status), 0);
    EXPECT_LE(status.st_blocks * 512, 64 * static_cast<long>(kKiB));
}

TEST_F(MemoryFileTest, SaysThatMemoryIsCutOff) {
    const auto file = make("a", kMiB);
    put(file, "x", kMiB - 1);
    const auto read =
        for_each_page(file.get(), 0, 2 * kMiB, [](auto, auto) -> Result<void> { return {}; });
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind(), ErrorKind::corrupt);
}

}  // namespace
}  // namespace hako::vmm
