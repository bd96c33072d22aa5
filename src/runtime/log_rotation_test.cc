#include "runtime/log_rotation.h"

#include <gtest/gtest.h>

#include "base/fd.h"
#include "runtime/log_file.h"

namespace hako::runtime {
namespace {

class LogRotation : public testing::Test {
protected:
    LogWriter writer(unsigned max_files) {
        return LogWriter::open(path_, {.max_bytes = 4096, .max_files = max_files}).value();
    }
    // Lines of 200 bytes that begin with their number.
    static void write(LogWriter& writer, int first, int count) {
        for (int i = first; i < first + count; ++i) {
            std::string line = fmt::format("{:04} ", i);
            line.resize(199, 'x');
            EXPECT_TRUE(writer.append(LogStream::out, as_bytes(line + "\n")));
        }
    }
    static std::vector<int> numbers(LogReader& reader) {
        std::vector<int> found;
        for (auto record = reader.next(); record && *record; record = reader.next())
            if (!(*record)->data.empty()) found.push_back(std::stoi((*record)->data.substr(0, 4)));
        return found;
    }
    static std::vector<int> range(int first, int end) {
        std::vector<int> all;
        for (int i = first; i < end; ++i) all.push_back(i);
        return all;
    }

    TempDir folder_ = TempDir::create().value();
    std::filesystem::path path_ = folder_.path() / "log";
};

TEST_F(LogRotation, KeepsTheNewestFiles) {
    auto log = writer(3);
    write(log, 0, 100);
    for (unsigned number : {0U, 1U, 2U}) {
        ASSERT_TRUE(std::filesystem::exists(rotated_log(path_, number))) << number;
        EXPECT_LE(std::filesystem::file_size(rotated_log(path_, number)), 4096U);
    }
    EXPECT_FALSE(std::filesystem::exists(rotated_log(path_, 3)));
    auto reader = LogReader::open(path_).value();
    const auto read = numbers(reader);
    ASSERT_GT(read.size(), 37U) << "two full files of 18 lines, and what is in the third";
    EXPECT_EQ(read, range(100 - static_cast<int>(read.size()), 100));
}

TEST_F(LogRotation, AFollowerLosesNothing) {
    auto log = writer(2);
    auto reader = LogReader::open(path_).value();
    std::vector<int> read;
    for (int i = 0; i < 100; i += 10) {
        write(log, i, 10);
        for (const int number : numbers(reader)) read.push_back(number);
    }
    EXPECT_EQ(read, range(0, 100));
}

TEST_F(LogRotation, AWaitingReaderIsWokenByANewFile) {
    auto log = writer(1);
    write(log, 0, 18);
    auto reader = LogReader::open(path_).value();
    EXPECT_EQ(numbers(reader).size(), 18U);
    using namespace std::chrono_literals;
    EXPECT_TRUE(*reader.wait({}, 0ms)) << "the watch is new";
    EXPECT_FALSE(*reader.wait({}, 0ms));
    write(log, 18, 1);
    EXPECT_TRUE(*reader.wait({}, 5s));
    EXPECT_EQ(numbers(reader), range(18, 19));
    EXPECT_FALSE(std::filesystem::exists(rotated_log(path_, 1)));
}

TEST_F(LogRotation, TheLastLinesMayLieInSeveralFiles) {
    auto log = writer(4);
    write(log, 0, 60);
    auto reader = LogReader::open(path_).value();
    for (const std::size_t lines : {1U, 10U, 30U, 50U}) {
        ASSERT_TRUE(reader.seek_last_lines(lines));
        EXPECT_EQ(numbers(reader), range(60 - static_cast<int>(lines), 60)) << lines;
    }
    ASSERT_TRUE(reader.seek_last_lines(1000));
    EXPECT_EQ(numbers(reader).back(), 59);
    ASSERT_TRUE(reader.seek_end());
    EXPECT_TRUE(numbers(reader).empty());
    write(log, 60, 30);
    EXPECT_EQ(numbers(reader), range(60, 90));
}

TEST_F(LogRotation, TheNextWriterGoesOn) {
    {
        auto log = writer(3);
        write(log, 0, 30);
        ASSERT_TRUE(log.finish());
    }
    auto log = writer(3);
    EXPECT_FALSE(log.is_open());
    write(log, 30, 5);
    auto reader = LogReader::open(path_).value();
    EXPECT_EQ(numbers(reader), range(0, 35));
}

}  // namespace
}  // namespace hako::runtime
