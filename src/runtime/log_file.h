// A container's output, as a file that one writes and many follow (docs/formats/log.md).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/units.h"
#include "runtime/log_rotation.h"

namespace hako::runtime {

enum class LogStream : std::uint8_t { out = 1, err = 2 };

struct LogRecord {
    WallTime time{};
    LogStream stream = LogStream::out;
    bool end = false;  // the process ended, nothing of it follows; data is empty
    std::string data;
};

constexpr std::size_t kMaxLogData = 64 * kKiB;  // of one record

// Appends. One writer a file; its methods may be called from any thread.
class LogWriter {
public:
    // Creates the file, or opens it to go on behind its last whole record.
    // Begins a new file when a record would make it larger than the limit.
    static Result<LogWriter> open(const std::filesystem::path& path, const LogLimits& limits = {});

    // data longer than kMaxLogData becomes several records. ErrorKind::exhausted when the disk is
    // full: then nothing of the record that failed stays in the file.
    Result<void> append(LogStream stream, std::span<const std::byte> data);
    // The END record.
    Result<void> finish();
    // Of a log that one reader takes (LogReader::take): waits until it has read all but `most`
    // bytes, or stop is requested. False when nobody reads. Of the thread that appends.
    bool wait_for_reader(std::uint64_t most, const std::stop_token& stop) const;
    // Whether records follow the last END: a run that nobody finished.
    bool is_open() const { return is_open_; }

private:
    LogWriter(std::filesystem::path path, const LogLimits& limits, Fd fd, std::uint64_t size,
              bool is_open)
        : mutex_(std::make_unique<std::mutex>()),
          path_(std::move(path)),
          limits_(limits),
          fd_(std::move(fd)),
          size_(size),
          is_open_(is_open) {}
    Result<void> write_record(LogStream stream, std::uint8_t flags,
                              std::span<const std::byte> data);

    Result<void> make_room(std::uint64_t bytes);

    std::unique_ptr<std::mutex> mutex_;
    std::filesystem::path path_;
    LogLimits limits_;
    Fd fd_;
    std::uint64_t size_;
    bool is_open_;
};

// Reads from its own position, buffered, through all files of a log that rotates. One thread at a
// time.
class LogReader {
public:
    // At the first record of the oldest file. ErrorKind::not_found without the file, corrupt when
    // it is no log.
    static Result<LogReader> open(const std::filesystem::path& path);

    // For the only reader of a log: what it has read is freed on the disk, and the writer waits.
    static Result<LogReader> take(const std::filesystem::path& path);

    // The next whole record, nullopt when there is none yet. A torn one is no record.
    Result<std::optional<LogRecord>> next();
    // Waits until next() may have more: true, or false after the time-out or a stop request.
    Result<bool> wait(std::stop_token stop, std::chrono::milliseconds timeout);
    // Behind the last record that there is now.
    Result<void> seek_end();
    // So that the last `lines` lines (of both streams together) follow; an unfinished last line
    // counts as one. The first record may be a part of one.
    Result<void> seek_last_lines(std::size_t lines);

private:
    LogReader(Fd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Result<bool> fill(std::size_t bytes);
    Result<void> enter(const std::filesystem::path& file);
    Result<void> enter_newest();
    Result<std::optional<LogRecord>> next_here();
    Result<std::size_t> skip_back(std::size_t lines, bool& is_last);
    std::optional<LogRecord> stale();
    void free_read();

    Fd fd_;
    std::filesystem::path path_;
    Fd watch_;                  // inotify, from the first wait() on
    std::uint64_t offset_ = 0;  // in the file, of buffer_[used_]
    std::size_t skip_ = 0;      // bytes of the next record's data
    std::string buffer_;
    std::size_t used_ = 0;
    std::optional<std::uint64_t> freed_;  // up to here, by a reader that takes
};

// Cuts records into lines, as `docker logs` prints them: each stream's bytes are joined up to their
// newline; a line has the time of its first byte. Lines longer than 64 KiB are handed out in parts.
class LineSplitter {
public:
    struct Line {
        WallTime time{};
        LogStream stream = LogStream::out;
        std::string text;  // with its newline, if it has one
    };
    // The lines that the record completes. An END record flushes both streams.
    std::vector<Line> feed(const LogRecord& record);
    // What has no newline yet.
    std::vector<Line> flush();

private:
    Line open_[2];
};

}  // namespace hako::runtime
