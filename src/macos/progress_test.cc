#include "macos/progress.h"

#include <gtest/gtest.h>

#include "base/fd.h"

namespace hako::macos {
namespace {

TEST(Progress, IsReadAsItWasWritten) {
    const auto folder = TempDir::create().value();
    const auto file = folder.path() / kProgressFile;
    EXPECT_FALSE(read_progress(file).value());
    const Progress progress{.stage = Stage::downloading,
                            .title = "macOS 14 (Sonoma)",
                            .message = "Downloading",
                            .bytes_done = 250,
                            .bytes_total = 1000,
                            .bytes_per_second = 50,
                            .changed_at = now()};
    ASSERT_TRUE(write_progress(file, progress));
    const auto read = read_progress(file).value();
    ASSERT_TRUE(read);
    EXPECT_EQ(to_json(*read), to_json(progress));
    EXPECT_EQ(read->percent(), 25.0);
    EXPECT_EQ(read->seconds_left(), 15U);
    EXPECT_FALSE(read->has_screen());
}

TEST(Progress, IsKeptInAFileWhileAMachineIsMade) {
    const auto folder = TempDir::create().value();
    const auto file = folder.path() / kProgressFile;
    ProgressFile kept(file, "macOS 14 (Sonoma)");
    kept.enter(Stage::downloading, "Downloading");
    kept.count(100, 1000);
    kept.count(1000, 1000);
    auto read = read_progress(file).value();
    ASSERT_TRUE(read);
    EXPECT_EQ(read->stage, Stage::downloading);
    EXPECT_EQ(read->title, "macOS 14 (Sonoma)");
    EXPECT_EQ(read->percent(), 100.0);
    kept.enter(Stage::failed, "No room");
    read = read_progress(file).value();
    EXPECT_EQ(read->message, "No room");
    EXPECT_FALSE(read->percent());
}

TEST(Progress, WhatIsNotKnownIsNull) {
    const auto json = to_json(Progress{.stage = Stage::running});
    EXPECT_TRUE(json["percent"].is_null());
    EXPECT_TRUE(json["seconds_left"].is_null());
    EXPECT_TRUE(json["bytes_total"].is_null());
    EXPECT_TRUE(progress_from_json(json).value().has_screen());
}

TEST(Progress, EveryStageHasAName) {
    for (const auto stage : {Stage::checking, Stage::downloading, Stage::preparing, Stage::running,
                             Stage::waiting, Stage::stopping, Stage::stopped, Stage::failed})
        EXPECT_EQ(progress_from_json(to_json(Progress{.stage = stage})).value().stage, stage);
    EXPECT_FALSE(progress_from_json({{"stage", "dancing"}}));
}

}  // namespace
}  // namespace hako::macos
