#include "vmm/console.h"

#include <gtest/gtest.h>

namespace hako::vmm {
namespace {

using std::chrono::milliseconds;

TEST(ConsoleTest, FindsTheLastPanic) {
    EXPECT_EQ(find_panic("[ 0.1] ok\r\n[ 1.0] Kernel panic - not syncing: VFS: no root\r\nmore"),
              "VFS: no root");
    EXPECT_EQ(find_panic("all is well"), std::nullopt);
}

TEST(ConsoleTest, ShowsLastLinesWithoutControlCharacters) {
    EXPECT_EQ(last_lines("one\n\x1b[1mtwo\r\n\n   \nthree", 2, " | "), "[1mtwo | three");
    EXPECT_EQ(last_lines("", 3, "; "), "");
    EXPECT_EQ(last_lines("only", 3, "; "), "only");
}

TEST(ConsoleTest, TailIsBounded) {
    Tail tail(10);
    for (int i = 0; i < 1000; ++i) tail.append("abcdefg");
    EXPECT_LE(tail.text().size(), 20U);
    EXPECT_TRUE(tail.text().ends_with("abcdefg"));
}

struct Streams {
    FdPair serial = *make_socket_pair();
    FdPair errors = *make_pipe();
    Result<std::unique_ptr<Console>> start(const std::filesystem::path& log) {
        return Console::start(std::move(serial.first), std::move(errors.first), log);
    }
    void end() {
        serial.second.reset();
        errors.second.reset();
    }
};

TEST(ConsoleTest, KeepsBothStreamsApart) {
    Streams streams;
    const auto console = streams.start({});
    ASSERT_TRUE(console);
    ASSERT_TRUE(write_all(streams.serial.second.get(), "from the guest\n"));
    ASSERT_TRUE(write_all(streams.errors.second.get(), "from qemu\n"));
    streams.end();
    (*console)->drain(milliseconds(2000));
    EXPECT_EQ((*console)->tail(), "from the guest\n");
    EXPECT_EQ((*console)->errors(), "from qemu\n");
}

TEST(ConsoleTest, BoundsTheLogHoweverMuchComes) {
    const auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    const auto log = folder->path() / "console.log";
    Streams streams;
    const auto console = streams.start(log);
    ASSERT_TRUE(console);
    const std::string block(64U << 10U, 'x');
    for (int i = 0; i < 64; ++i) ASSERT_TRUE(write_all(streams.serial.second.get(), block));
    ASSERT_TRUE(write_all(streams.serial.second.get(), "the end\n"));
    streams.end();
    (*console)->drain(milliseconds(5000));
    const auto now = read_file(log);
    ASSERT_TRUE(now);
    EXPECT_LE(now->size(), Console::kLogBytes);
    EXPECT_TRUE(now->ends_with("the end\n"));
    EXPECT_LE(std::filesystem::file_size(log.native() + ".1"), Console::kLogBytes);
    EXPECT_LE((*console)->tail().size(), 2 * Console::kTailBytes);
}

TEST(ConsoleTest, EndsThoughTheStreamsStayOpen) {
    Streams streams;
    auto console = streams.start({});
    ASSERT_TRUE(console);
    console->reset();  // must not hang
}

}  // namespace
}  // namespace hako::vmm
