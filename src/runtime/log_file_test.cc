#include "runtime/log_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/thread.h"

namespace hako::runtime {
namespace {

using std::chrono::milliseconds;

class LogFileTest : public testing::Test {
protected:
    LogWriter writer() { return *LogWriter::open(path_); }
    LogReader reader() { return *LogReader::open(path_); }
    void append(LogWriter& log, std::string_view text, LogStream stream = LogStream::out) {
        ASSERT_TRUE(log.append(stream, as_bytes(text)));
    }
    // What is there now, records joined by '|', END as "END".
    static std::string rest(LogReader& log) {
        std::string text;
        for (;;) {
            const auto record = log.next();
            if (!record) return text + "<" + record.error().message() + ">";
            if (!*record) return text;
            if (!text.empty()) text += '|';
            text += (*record)->end ? "END" : (*record)->data;
        }
    }
    std::string all() {
        auto log = reader();
        return rest(log);
    }

    TempDir folder_ = *TempDir::create();
    std::filesystem::path path_ = folder_.path() / "log";
};

TEST_F(LogFileTest, AReaderThatTakesItBoundsIt) {
    constexpr std::uint64_t kMost = 4 * kMiB;
    constexpr int kPieces = 320;  // 20 MiB
    auto log = writer();
    EXPECT_FALSE(log.wait_for_reader(kMost, {})) << "nobody reads";
    {
        auto taker = LogReader::take(path_).value();
        const auto writing = start_thread("writer", [&](const std::stop_token& stop) {
            const std::string piece(64 * kKiB, 'x');
            for (int i = 0; i < kPieces; ++i) {
                if (!log.wait_for_reader(kMost, stop)) return;
                ASSERT_TRUE(log.append(LogStream::out, as_bytes(piece)));
            }
        });
        std::size_t got = 0;
        while (got < kPieces * 64 * kKiB) {
            const auto record = taker.next();
            ASSERT_TRUE(record) << record.error().message();
            if (!*record) {
                std::this_thread::sleep_for(milliseconds(1));
                continue;
            }
            got += (*record)->data.size();
            struct stat status {};
            ASSERT_EQ(::stat(path_.c_str(), &status), 0);
            ASSERT_LE(static_cast<std::uint64_t>(status.st_blocks) * 512, kMost + 4 * kMiB);
        }
    }
    EXPECT_FALSE(log.wait_for_reader(kMost, {})) << "the reader has left";
    ASSERT_TRUE(log.finish());
}

TEST_F(LogFileTest, KeepsStreamTimeAndBytes) {
    const auto before = now();
    auto log = writer();
    append(log, std::string("a\0b\xff", 4));
    append(log, "oops\n", LogStream::err);
    EXPECT_TRUE(log.is_open());
    ASSERT_TRUE(log.finish());
    EXPECT_FALSE(log.is_open());

    auto read = reader();
    const auto first = read.next();
    ASSERT_TRUE(first && *first);
    EXPECT_EQ((*first)->data, std::string("a\0b\xff", 4));
    EXPECT_EQ((*first)->stream, LogStream::out);
    EXPECT_GE((*first)->time, before);
    const auto second = read.next();
    EXPECT_EQ((**second).stream, LogStream::err);
    EXPECT_TRUE((**read.next()).end);
    EXPECT_FALSE(*read.next());
}

TEST_F(LogFileTest, CutsLongDataIntoRecords) {
    auto log = writer();
    const std::string data(kMaxLogData + 5, 'x');
    append(log, data);
    auto read = reader();
    EXPECT_EQ((**read.next()).data.size(), kMaxLogData);
    EXPECT_EQ((**read.next()).data, "xxxxx");
}

TEST_F(LogFileTest, GoesOnBehindARun) {
    {
        auto log = writer();
        append(log, "one");
        ASSERT_TRUE(log.finish());
    }
    auto log = writer();
    EXPECT_FALSE(log.is_open());
    append(log, "two");
    EXPECT_EQ(all(), "one|END|two");
    EXPECT_TRUE(writer().is_open());
}

// However many bytes of the last record reached the disk: readers do not see it, the next writer
// cuts it, and a reader that waited before it goes on.
TEST_F(LogFileTest, SurvivesATornRecordOfAnyLength) {
    {
        auto log = writer();
        append(log, "whole");
    }
    const auto good = std::filesystem::file_size(path_);
    {
        auto log = writer();
        append(log, "torn record");
    }
    const auto text = *read_file(path_);
    for (auto size = good; size < text.size(); ++size) {
        ASSERT_TRUE(write_file(path_, text.substr(0, size)));
        auto waiting = reader();
        EXPECT_EQ(rest(waiting), "whole") << size;
        auto log = writer();
        append(log, "next");
        EXPECT_EQ(rest(waiting), "next") << size;
        EXPECT_EQ(all(), "whole|next") << size;
    }
}

TEST_F(LogFileTest, RefusesFilesOfOthers) {
    ASSERT_TRUE(write_file(path_, "not a log at all"));
    EXPECT_EQ(LogReader::open(path_).error().kind(), ErrorKind::corrupt);
    EXPECT_EQ(LogWriter::open(path_).error().kind(), ErrorKind::corrupt);
    EXPECT_EQ(LogReader::open(folder_.path() / "none").error().kind(), ErrorKind::not_found);
    ASSERT_TRUE(write_file(path_, "HAKOLOG1" + std::string(100, '\xee')));
    EXPECT_EQ(reader().next().error().kind(), ErrorKind::corrupt);
}

TEST_F(LogFileTest, SeeksToTheEnd) {
    auto log = writer();
    append(log, "old");
    auto read = reader();
    ASSERT_TRUE(read.seek_end());
    append(log, "new");
    EXPECT_EQ(rest(read), "new");
}

TEST_F(LogFileTest, SeeksToTheLastLines) {
    auto log = writer();
    append(log, "1\n2\n");
    append(log, "3");
    append(log, "3\n4\n5\n");
    ASSERT_TRUE(log.finish());
    const auto last = [&](std::size_t lines) {
        auto read = reader();
        EXPECT_TRUE(read.seek_last_lines(lines));
        return rest(read);
    };
    EXPECT_EQ(last(0), "");
    EXPECT_EQ(last(1), "5\n|END");
    EXPECT_EQ(last(2), "4\n5\n|END");
    EXPECT_EQ(last(3), "3|3\n4\n5\n|END");
    EXPECT_EQ(last(4), "2\n|3|3\n4\n5\n|END");
    EXPECT_EQ(last(5), "1\n2\n|3|3\n4\n5\n|END");
    EXPECT_EQ(last(100), "1\n2\n|3|3\n4\n5\n|END");
}

TEST_F(LogFileTest, AnUnfinishedLineCountsAsOne) {
    auto log = writer();
    append(log, "1\n2\n3");
    auto read = reader();
    ASSERT_TRUE(read.seek_last_lines(2));
    EXPECT_EQ(rest(read), "2\n3");
}

TEST_F(LogFileTest, WaitsForTheWriter) {
    auto log = writer();
    auto read = reader();
    const auto follower = start_thread("append", [&](auto) {
        ::usleep(20'000);
        (void)log.append(LogStream::out, as_bytes("late"));
    });
    std::string text;
    for (int i = 0; i < 100 && text.empty(); ++i) {
        ASSERT_TRUE(read.wait({}, milliseconds(2000)));
        text = rest(read);
    }
    EXPECT_EQ(text, "late");
}

TEST_F(LogFileTest, WaitingEndsByTimeAndByRequest) {
    auto log = writer();
    auto read = reader();
    EXPECT_TRUE(*read.wait({}, milliseconds(1)));  // the watch begins: look again
    EXPECT_FALSE(*read.wait({}, milliseconds(5)));
    std::stop_source source;
    const auto stopper = start_thread("stop", [&](auto) {
        ::usleep(20'000);
        source.request_stop();
    });
    EXPECT_FALSE(*read.wait(source.get_token(), milliseconds(60'000)));
}

TEST_F(LogFileTest, HoldsAMillionRecords) {
    constexpr int kRecords = 1'000'000;
    auto log = writer();
    const auto written = start_thread("append", [&](auto) {
        for (int i = 0; i < kRecords; ++i) {
            const auto text = std::to_string(i);
            ASSERT_TRUE(log.append(LogStream::out, as_bytes(text)));
        }
        ASSERT_TRUE(log.finish());
    });
    auto read = reader();
    for (int expected = 0;;) {
        const auto record = read.next();
        ASSERT_TRUE(record) << record.error().message();
        if (!*record) {
            ASSERT_TRUE(read.wait({}, milliseconds(10'000)));
        } else if ((*record)->end) {
            EXPECT_EQ(expected, kRecords);
            break;
        } else {
            ASSERT_EQ((*record)->data, std::to_string(expected++));
        }
    }
}

TEST(LineSplitterTest, JoinsPiecesOfALinePerStream) {
    LineSplitter splitter;
    const WallTime first{std::chrono::seconds(1)};
    const WallTime second{std::chrono::seconds(2)};
    EXPECT_TRUE(splitter.feed({.time = first, .stream = LogStream::out, .data = "he"}).empty());
    const auto err = splitter.feed({.time = second, .stream = LogStream::err, .data = "bad\n"});
    ASSERT_EQ(err.size(), 1U);
    EXPECT_EQ(err[0].stream, LogStream::err);
    const auto out =
        splitter.feed({.time = second, .stream = LogStream::out, .data = "llo\nnext\nre"});
    ASSERT_EQ(out.size(), 2U);
    EXPECT_EQ(out[0].text, "hello\n");
    EXPECT_EQ(out[0].time, first);
    EXPECT_EQ(out[1].text, "next\n");
    EXPECT_EQ(out[1].time, second);
    const auto last = splitter.feed({.end = true});
    ASSERT_EQ(last.size(), 1U);
    EXPECT_EQ(last[0].text, "re");
    EXPECT_TRUE(splitter.flush().empty());
}

TEST(LineSplitterTest, HandsOutEndlessLinesInParts) {
    LineSplitter splitter;
    std::size_t bytes = 0;
    for (int i = 0; i < 100; ++i)
        for (const auto& line : splitter.feed({.data = std::string(10'000, 'x')})) {
            EXPECT_LE(line.text.size(), kMaxLogData);
            bytes += line.text.size();
        }
    for (const auto& line : splitter.flush()) bytes += line.text.size();
    EXPECT_EQ(bytes, 1'000'000U);
}

}  // namespace
}  // namespace hako::runtime
