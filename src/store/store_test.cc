#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/process.h"
#include "store/database.h"
#include "store/file.h"

namespace hako::store {
namespace {

constexpr std::array kMigrations{
    Migration{1, "CREATE TABLE things(name TEXT PRIMARY KEY, size INTEGER) STRICT;"},
    Migration{2, "ALTER TABLE things ADD COLUMN note TEXT NOT NULL DEFAULT '';"},
};

std::int64_t count_things(Database& database) {
    auto query = database.prepare("SELECT count(*) FROM things");
    EXPECT_TRUE(*query->step());
    return query->column_int(0);
}

TEST(Database, MigratesStepByStepAndOnce) {
    auto folder = TempDir::create();
    const auto path = folder->path() / "db";
    {
        auto database = Database::open(path);
        ASSERT_TRUE((*database)->migrate("things", std::span(kMigrations).first(1)));
        ASSERT_TRUE((*database)->execute("INSERT INTO things VALUES('a', 1)"));
    }
    auto database = Database::open(path);
    ASSERT_TRUE((*database)->migrate("things", kMigrations));
    ASSERT_TRUE((*database)->migrate("things", kMigrations));
    auto query = (*database)->prepare("SELECT name, size, note FROM things");
    ASSERT_TRUE(*query->step());
    EXPECT_EQ(query->column_text(0), "a");
    EXPECT_EQ(query->column_int(1), 1);
    EXPECT_FALSE(*query->step());
}

TEST(Database, RefusesOneFromANewerHako) {
    auto database = Database::open(":memory:");
    ASSERT_TRUE((*database)->migrate("things", kMigrations));
    const auto result = (*database)->migrate("things", std::span(kMigrations).first(1));
    EXPECT_EQ(result.error().kind(), ErrorKind::conflict);
}

TEST(Database, AFailedMigrationLeavesNothing) {
    auto database = Database::open(":memory:");
    constexpr std::array kBad{Migration{1, "CREATE TABLE things(name TEXT); nonsense;"}};
    EXPECT_FALSE((*database)->migrate("things", kBad));
    EXPECT_TRUE((*database)->migrate("things", kMigrations));
}

TEST(Database, TransactionsRollBackUnlessCommitted) {
    auto database = Database::open(":memory:");
    ASSERT_TRUE((*database)->migrate("things", kMigrations));
    {
        auto transaction = (*database)->begin();
        ASSERT_TRUE((*database)->execute("INSERT INTO things(name) VALUES('a')"));
    }
    EXPECT_EQ(count_things(**database), 0);
}

TEST(Database, IsSharedByThreads) {
    auto database = Database::open(":memory:");
    ASSERT_TRUE((*database)->migrate("things", kMigrations));
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                for (int i = 0; i < 50; ++i) {
                    auto transaction = (*database)->begin();
                    auto insert = (*database)->prepare("INSERT INTO things(name) VALUES(?)");
                    EXPECT_TRUE(insert->bind(1, fmt::format("{}-{}", t, i)).run());
                    EXPECT_TRUE(transaction->commit());
                }
            });
    }
    EXPECT_EQ(count_things(**database), 200);
}

TEST(Database, SaysThatAFileIsNone) {
    auto folder = TempDir::create();
    ASSERT_TRUE(write_file(folder->path() / "db", std::string(4096, 'x')));
    EXPECT_EQ(Database::open(folder->path() / "db").error().kind(), ErrorKind::corrupt);
}

TEST(WriteFileAtomic, ReplacesAndLeavesNoTempFile) {
    auto folder = TempDir::create();
    const auto path = folder->path() / "record";
    ASSERT_TRUE(write_file_atomic(path, "old"));
    ASSERT_TRUE(write_file_atomic(path, "new"));
    EXPECT_EQ(*read_file(path), "new");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder->path()), {}), 1);
    EXPECT_FALSE(write_file_atomic(folder->path() / "none" / "record", "x"));
}

TEST(AtomicFile, NeedsNoFolderInItsName) {
    auto folder = TempDir::create();
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder->path());
    const auto written = write_file_atomic("record", "x");
    std::filesystem::current_path(before);
    EXPECT_TRUE(written) << written.error().message();
    EXPECT_EQ(*read_file(folder->path() / "record"), "x");
}

TEST(FileLock, NamesItsHolder) {
    auto folder = TempDir::create();
    const auto path = folder->path() / "lock";
    {
        auto lock = FileLock::acquire(path);
        ASSERT_TRUE(lock);
        const auto second = FileLock::acquire(path);
        ASSERT_FALSE(second);
        EXPECT_NE(second.error().message().find(std::to_string(::getpid())), std::string::npos);
        const auto third = FileLock::acquire(path, {.holder = "machine", .advice = "stop it"});
        EXPECT_EQ(third.error().message(),
                  fmt::format("{} is in use by the machine with pid {}; stop it",
                              folder->path().native(), ::getpid()));
    }
    EXPECT_TRUE(FileLock::acquire(path));
}

}  // namespace
}  // namespace hako::store
