#include "vmm/checkpoint.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "base/paths.h"
#include "base/process.h"
#include "vmm/checkpoint_format.h"
#include "vmm/memory_path.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr milliseconds kAnswer(20'000);

struct Talk {
    Process process;
    Fd input, output, errors;

    std::vector<std::string> ask() {
        EXPECT_TRUE(write_all(input.get(), "?\n"));
        std::vector<std::byte> answer(4096);
        if (!wait_readable(output.get(), kAnswer).value_or(false)) return {};
        const auto count = read_some(output.get(), answer);
        std::vector<std::string> words;
        std::string word;
        for (const char c : as_text(std::span(answer).first(count.value_or(0)))) {
            if (c != ' ' && c != '\n') {
                word += c;
                continue;
            }
            words.push_back(std::exchange(word, {}));
        }
        return words;
    }
    std::string end() {
        const auto status = process.wait(kAnswer);
        std::vector<std::byte> text(4096);
        const auto count = read_full(errors.get(), text);
        return fmt::format("{}: {}", status && *status ? to_string(**status) : "still runs",
                           as_text(std::span(text).first(count.value_or(0))));
    }
};

class CheckpointTest : public testing::Test {
protected:
    static Talk start(const Command& command, const fs::path& checkpoint = {}) {
        auto in = *make_pipe(), out = *make_pipe(), errors = *make_pipe();
        std::vector<FdMapping> fds{
            {in.first.get(), 0}, {out.second.get(), 1}, {errors.second.get(), 2}};
        Fd file;
        if (!checkpoint.empty()) {
            file = *open_file(checkpoint, O_RDONLY);
            fds.push_back({file.get(), checkpoint::kCheckpointFd});
        }
        auto process = spawn(command, fds);
        EXPECT_TRUE(process) << process.error().message();
        return {*std::move(process), std::move(in.second), std::move(out.first),
                std::move(errors.first)};
    }
    static Talk start_program(const std::string& what = "", const fs::path& path = {},
                              bool with_library = true,
                              const std::vector<std::string>& prefix = {}) {
        Command command{.argv = prefix};
        for (const auto& word : {(Installation::find()->bin / "hako_checkpoint_program").native(),
                                 what, path.native()})
            command.argv.push_back(word);
        if (with_library)
            command.extra_environment["LD_PRELOAD"] =
                (Installation::find()->share / kMemoryLibrary).native();
        return start(command);
    }
    static Talk restore(const fs::path& checkpoint, const std::vector<std::string>& prefix = {}) {
        Command command{.argv = prefix};
        command.argv.push_back((Installation::find()->bin / kRestorer).native());
        return start(command, checkpoint);
    }
    Result<void> keep(const Talk& talk) const {
        return write_checkpoint({.qemu = talk.process.pid(),
                                 .key = "a1",
                                 .given = {0, 1, 2},
                                 .template_file = "/none",
                                 .path = path_});
    }
    void change(std::size_t offset) const {
        const Fd file = *open_file(path_, O_RDWR);
        ASSERT_EQ(::pwrite(file.get(), "~", 1, static_cast<off_t>(offset)), 1);
    }
    static bool gone(const fs::path& folder) {
        return std::distance(fs::directory_iterator(folder), {}) == 0;
    }

    TempDir folder_ = *TempDir::create();
    fs::path path_ = folder_.path() / "a1.checkpoint";
};

TEST_F(CheckpointTest, AProcessGoesOnInOthers) {
    auto first = start_program();
    const auto before = first.ask();
    ASSERT_EQ(before.size(), 5U) << first.end();
    EXPECT_EQ(before[0], "1");
    EXPECT_EQ(before[2], "5");
    const auto kept = keep(first);
    ASSERT_TRUE(kept) << kept.error().message();
    EXPECT_TRUE(verify_checkpoint(path_, "a1"));
    EXPECT_TRUE(first.process.signal(SIGKILL));
    (void)first.process.wait(kAnswer);
    // Two of them at once, that have nothing to do with each other.
    auto second = restore(path_), third = restore(path_);
    for (const char* count : {"2", "3"}) {
        for (auto* talk : {&second, &third}) {
            const auto after = talk->ask();
            ASSERT_EQ(after.size(), 5U) << talk->end();
            EXPECT_EQ(after[0], count);
            EXPECT_EQ(after[1], before[1]);
            EXPECT_EQ(after[2], "5");
            EXPECT_EQ(after[3], "there");
            EXPECT_EQ(after[4], std::to_string(talk->process.pid()));
        }
    }
    EXPECT_TRUE(verify_checkpoint(path_, "a1"));  // they changed nothing in it
    second.input.reset();
    EXPECT_THAT(second.end(), HasSubstr("exit status 0"));
}

TEST_F(CheckpointTest, OnlyAWholeOneOfThisTemplateAndBootIsGood) {
    auto talk = start_program();
    ASSERT_EQ(talk.ask().size(), 5U);
    ASSERT_TRUE(keep(talk));
    EXPECT_EQ(verify_checkpoint(path_, "b2").error().kind(), ErrorKind::corrupt);
    change(fs::file_size(path_) - 100);
    EXPECT_TRUE(open_checkpoint(path_, "a1"));
    EXPECT_THAT(verify_checkpoint(path_, "a1").error().message(), HasSubstr("has been changed"));
    change(offsetof(checkpoint::Header, boot_id));
    EXPECT_THAT(open_checkpoint(path_, "a1").error().message(),
                HasSubstr("before this host was started"));
    change(0);
    EXPECT_THAT(open_checkpoint(path_, "a1").error().message(), HasSubstr("is no checkpoint"));
    fs::resize_file(path_, 10);
    EXPECT_EQ(open_checkpoint(path_, "a1").error().kind(), ErrorKind::corrupt);
    fs::remove(path_);
    EXPECT_EQ(open_checkpoint(path_, "a1").error().kind(), ErrorKind::not_found);
}

TEST_F(CheckpointTest, AnotherFileThanWasMappedIsNoticed) {
    const auto mapped = folder_.path() / "library";
    fs::copy_file("/usr/lib/x86_64-linux-gnu/libz.so.1", mapped);
    auto talk = start_program("maps", mapped);
    ASSERT_EQ(talk.ask().size(), 5U);
    const auto kept = keep(talk);
    ASSERT_TRUE(kept) << kept.error().message();
    EXPECT_EQ(restore(path_).ask().size(), 5U);
    fs::last_write_time(mapped, fs::last_write_time(mapped) + std::chrono::seconds(1));
    EXPECT_THAT(restore(path_).end(),
                testing::AllOf(HasSubstr("125"), HasSubstr("another file"), HasSubstr("library")));
}

// The kernel may put our stack where that of the process was; without chance it always does.
TEST_F(CheckpointTest, APlaceThatIsTakenIsTriedAgainAndSaid) {
    const std::vector<std::string> without_chance{"/usr/bin/setarch", "-R"};
    auto talk = start_program("", {}, true, without_chance);
    ASSERT_EQ(talk.ask().size(), 5U) << talk.end();
    ASSERT_TRUE(keep(talk));
    EXPECT_THAT(restore(path_, without_chance).end(),
                testing::AllOf(HasSubstr("125"), HasSubstr("hako-qemu-restore: cannot ")));
    EXPECT_EQ(restore(path_).ask().size(), 5U);
}

TEST_F(CheckpointTest, WhatCannotBeKeptIsSaid) {
    const auto file = folder_.path() / "file";
    ASSERT_TRUE(write_file(file, "x"));
    for (const auto& [more, sentence] :
         {std::pair("shares", "shares"), std::pair("opens", "which cannot be kept")}) {
        auto talk = start_program(more, file);
        ASSERT_EQ(talk.ask().size(), 5U);
        const auto kept = keep(talk);
        ASSERT_FALSE(kept);
        EXPECT_EQ(kept.error().kind(), ErrorKind::unimplemented);
        EXPECT_THAT(kept.error().message(), HasSubstr(sentence));
    }
    auto without = start_program("", {}, false);
    ASSERT_EQ(without.ask().size(), 5U);
    EXPECT_THAT(keep(without).error().message(), HasSubstr("has no desk"));
    fs::remove(file);
    EXPECT_TRUE(gone(folder_.path()));  // no half of a file
}

TEST_F(CheckpointTest, NoneIsLeftOfWhatDoesNotRest) {
    auto talk =
        start({.argv = {"/bin/sh", "-c", "while :; do :; done"},
               .extra_environment = {
                   {"LD_PRELOAD", (Installation::find()->share / kMemoryLibrary).native()}}});
    EXPECT_EQ(keep(talk).error().kind(), ErrorKind::deadline);
    EXPECT_TRUE(gone(folder_.path()));
}

}  // namespace
}  // namespace hako::vmm
