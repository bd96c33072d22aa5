#include "macshim/mac_log.h"

#include <gmock/gmock.h>

#include "runtime/log_file.h"

namespace hako::macshim {
namespace {

// What is said of a download that comes in hundredths.
std::string told(std::uint64_t total) {
    const auto folder = TempDir::create().value();
    const auto file = folder.path() / "log";
    auto log = MacLog::open({.file = file}).value();
    macos::Progress progress{.stage = macos::Stage::downloading, .message = "Downloading x"};
    for (unsigned i = 0; i <= 100; ++i) {
        progress.bytes_done = total * i / 100;
        progress.bytes_total = total;
        log->tell(progress);
    }
    EXPECT_TRUE(log->finish());
    auto reader = runtime::LogReader::open(file).value();
    std::string text;
    while (const auto record = reader.next().value()) text += record->data;
    return text;
}

TEST(MacLog, TellsTenthsOfLargeDownloadsAndTheEndOfSmallOnes) {
    EXPECT_EQ(told(2000), "Downloading x\n100 % of 2 KiB\n");
    EXPECT_EQ(told(16 * kMiB - 1), "Downloading x\n100 % of 15 MiB\n");
    EXPECT_THAT(told(16 * kMiB), ::testing::HasSubstr("x\n10 % of 16 MiB\n20 % of"));
}

}  // namespace
}  // namespace hako::macshim
