#include "macos/disk_image.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/fd.h"
#include "base/program.h"
#include "base/text.h"
#include "base/units.h"

namespace hako::macos {
namespace {

using ::testing::HasSubstr;

class DiskImage : public ::testing::Test {
protected:
    Result<std::filesystem::path> ensure(DiskFormat format, std::uint64_t bytes) {
        return ensure_disk(folder_.path(), {.name = "data", .format = format, .bytes = bytes});
    }
    // Something that a guest wrote.
    void mark(const std::filesystem::path& disk) const {
        const Fd fd = open_file(disk, O_WRONLY).value();
        ASSERT_TRUE(write_all(fd.get(), "guest's data"));
    }
    static std::string beginning(const std::filesystem::path& disk) {
        const Fd fd = open_file(disk, O_RDONLY).value();
        std::string text(12, '\0');
        EXPECT_TRUE(read_full(fd.get(), std::as_writable_bytes(std::span(text))));
        return text;
    }
    std::size_t files() const {
        const auto list = std::filesystem::directory_iterator(folder_.path());
        return static_cast<std::size_t>(std::distance(begin(list), end(list)));
    }
    std::filesystem::path at(std::string_view name) const { return folder_.path() / name; }

    TempDir folder_ = TempDir::create().value();
};

#define NEEDS_QEMU_IMG \
    if (!find_program("qemu-img")) GTEST_SKIP() << "qemu-img is missing: package qemu-utils"

TEST_F(DiskImage, GrowsAndNeverShrinks) {
    const auto disk = ensure(DiskFormat::raw, 10 * kMiB).value();
    mark(disk);
    EXPECT_EQ(ensure(DiskFormat::raw, 20 * kMiB).value(), disk);
    EXPECT_EQ(disk_bytes(disk, DiskFormat::raw).value(), 20 * kMiB);
    const auto shrunk = ensure(DiskFormat::raw, 10 * kMiB);
    ASSERT_FALSE(shrunk);
    EXPECT_THAT(shrunk.error().message(), HasSubstr("only grow"));
    EXPECT_EQ(disk_bytes(disk, DiskFormat::raw).value(), 20 * kMiB);
    EXPECT_EQ(beginning(disk), "guest's data");
    EXPECT_EQ(files(), 1U);
}

TEST_F(DiskImage, WithoutAWishItKeepsTheSizeThatItHas) {
    const auto keep = [&](std::uint64_t bytes) {
        return ensure_disk(folder_.path(), {.name = "data", .bytes = bytes, .keeps_size = true});
    };
    const auto disk = keep(10 * kMiB).value();
    EXPECT_EQ(disk_bytes(disk, DiskFormat::raw).value(), 10 * kMiB);
    for (const auto other : {5 * kMiB, 20 * kMiB}) {
        EXPECT_TRUE(keep(other));
        EXPECT_EQ(disk_bytes(disk, DiskFormat::raw).value(), 10 * kMiB);
    }
    // A power cut left this growth to the next start.
    ASSERT_TRUE(note_growth(folder_.path(), "data", 30 * kMiB));
    EXPECT_TRUE(keep(5 * kMiB));
    EXPECT_EQ(disk_bytes(disk, DiskFormat::raw).value(), 30 * kMiB);
}

TEST_F(DiskImage, ARefusedGrowthIsForgotten) {
    constexpr std::uint64_t kTooMuch = 8000000ULL << 40U;
    const auto disk = ensure(DiskFormat::raw, 10 * kMiB).value();
    EXPECT_FALSE(grow_disk(folder_.path(), {.name = "data", .bytes = kTooMuch}));
    EXPECT_EQ(files(), 1U) << "nothing is noted";
    ASSERT_TRUE(grow_disk(folder_.path(), {.name = "data", .bytes = 20 * kMiB}));
    EXPECT_FALSE(grow_disk(folder_.path(), {.name = "data", .bytes = kTooMuch}));
    EXPECT_EQ(grown_bytes(folder_.path(), "data"), 20 * kMiB);
    // Nobody knows what came of a growth that had no answer: what the disk has counts.
    const auto unanswered = [&]() -> Result<void> {
        std::filesystem::resize_file(disk, 30 * kMiB);
        return fail(ErrorKind::unavailable, "QEMU is gone");
    };
    EXPECT_FALSE(grow_noted(folder_.path(), "data", 30 * kMiB, unanswered));
    EXPECT_EQ(grown_bytes(folder_.path(), "data"), 30 * kMiB);
}

TEST_F(DiskImage, ChangesItsFormatAndKeepsWhatIsInIt) {
    NEEDS_QEMU_IMG;
    mark(ensure(DiskFormat::raw, 10 * kMiB).value());
    const auto packed = ensure(DiskFormat::qcow2, 30 * kMiB);
    ASSERT_TRUE(packed) << packed.error().message();
    EXPECT_EQ(disk_bytes(*packed, DiskFormat::qcow2).value(), 30 * kMiB);
    EXPECT_EQ(files(), 1U);
    const auto plain = ensure(DiskFormat::raw, 30 * kMiB).value();
    EXPECT_EQ(beginning(plain), "guest's data");
    EXPECT_EQ(files(), 1U);
}

TEST_F(DiskImage, APowerFailureWhileItConvertsLosesNothing) {
    NEEDS_QEMU_IMG;
    mark(ensure(DiskFormat::raw, 10 * kMiB).value());
    // In the middle: the new disk has no name yet.
    ASSERT_TRUE(write_file(at("data.converting"), "qcow2"));
    ASSERT_TRUE(write_file(at("data.qcow2.partial"), "half"));
    EXPECT_EQ(beginning(ensure(DiskFormat::raw, 10 * kMiB).value()), "guest's data");
    EXPECT_EQ(files(), 1U);
    // At the end: the new disk is whole, the old one was about to go.
    ASSERT_TRUE(ensure(DiskFormat::qcow2, 10 * kMiB));
    ASSERT_TRUE(write_file(at("data.converting"), "qcow2"));
    ASSERT_TRUE(write_file(at("data.img"), "old"));
    EXPECT_EQ(beginning(ensure(DiskFormat::raw, 10 * kMiB).value()), "guest's data");
    EXPECT_EQ(files(), 1U);
}

TEST_F(DiskImage, AConversionEndsWithWhoWantedIt) {
    if (!find_program("setpriv")) GTEST_SKIP() << "setpriv is missing: package util-linux";
    ASSERT_TRUE(ensure(DiskFormat::raw, 10 * kMiB));
    ASSERT_TRUE(write_file(at("qemu-img"), fmt::format("#!/bin/sh\n"
                                                       "echo $$ > {0}.new && mv {0}.new {0}\n"
                                                       "exec sleep 1000\n",
                                                       at("pid").native())));
    std::filesystem::permissions(at("qemu-img"), std::filesystem::perms::owner_all);
    const pid_t shim = ::fork();
    if (shim == 0) {
        const auto path = folder_.path().native() + ":" + std::getenv("PATH");
        ::setenv("PATH", path.c_str(), 1);
        (void)ensure(DiskFormat::qcow2, 10 * kMiB);
        ::_exit(0);
    }
    const auto within = [](auto&& condition) {
        for (int i = 0; i < 1000 && !condition(); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return condition();
    };
    const auto begun = within([&] { return std::filesystem::exists(at("pid")); });
    ::kill(shim, SIGKILL);
    ::waitpid(shim, nullptr, 0);
    ASSERT_TRUE(begun);
    const auto pid = std::string(trim(read_file(at("pid")).value()));
    // Gone, or a zombie that nobody reaps here.
    EXPECT_TRUE(
        within([&] { return read_file("/proc/" + pid + "/cmdline").value_or("").empty(); }));
}

TEST_F(DiskImage, AFailedConversionLeavesTheDiskAsItWas) {
    NEEDS_QEMU_IMG;
    ASSERT_TRUE(write_file(at("data.qcow2"), "no qcow2 at all"));
    const auto converted = ensure(DiskFormat::raw, 10 * kMiB);
    ASSERT_FALSE(converted);
    EXPECT_THAT(converted.error().message(), HasSubstr("it is as it was"));
    EXPECT_EQ(read_file(at("data.qcow2")).value(), "no qcow2 at all");
    EXPECT_EQ(files(), 1U);
}

TEST_F(DiskImage, TwoDisksOfOneNameAreNotChosenFrom) {
    ASSERT_TRUE(write_file(at("data.img"), "one"));
    ASSERT_TRUE(write_file(at("data.qcow2"), "two"));
    EXPECT_THAT(ensure(DiskFormat::raw, 10 * kMiB).error().message(), HasSubstr("both there"));
    EXPECT_EQ(files(), 2U);
}

TEST_F(DiskImage, AllocatedOnesHaveTheirRoomOrAreNotMade) {
    const auto disk =
        ensure_disk(folder_.path(), {.name = "full", .bytes = 4 * kMiB, .allocate = true});
    ASSERT_TRUE(disk);
    struct stat status {};
    ASSERT_EQ(::stat(disk->c_str(), &status), 0);
    EXPECT_GE(static_cast<std::uint64_t>(status.st_blocks) * 512, 4 * kMiB);
    EXPECT_FALSE(ensure_disk(folder_.path(),
                             {.name = "huge", .bytes = std::uint64_t{1} << 60U, .allocate = true}));
    EXPECT_EQ(files(), 1U);
}

}  // namespace
}  // namespace hako::macos
