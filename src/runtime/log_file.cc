#include "runtime/log_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

namespace hako::runtime {
namespace {

constexpr std::string_view kMagic = "HAKOLOG1";
constexpr std::uint8_t kEndFlag = 1;
constexpr std::size_t kReadBytes = 256 * kKiB;
constexpr std::uint64_t kFreeBytes = kMiB;
constexpr std::chrono::milliseconds kReaderPoll{5};

// All numbers are little-endian, as on every host that hako runs on.
struct Header {
    std::int64_t time = 0;  // nanoseconds since the epoch
    std::uint8_t stream = 0;
    std::uint8_t flags = 0;
    std::uint16_t reserved = 0;
    std::uint32_t length = 0;  // of the data
};
static_assert(sizeof(Header) == 16);
using Trailer = std::uint32_t;  // the length again, so that the file can be read backwards
constexpr std::size_t kOverhead = sizeof(Header) + sizeof(Trailer);

bool is_valid(const Header& header) {
    return (header.stream == 1 || header.stream == 2) && header.flags <= kEndFlag &&
           header.reserved == 0 && header.length <= kMaxLogData;
}

Result<std::uint64_t> size_of(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return fail_errno(errno, "cannot read a log's size");
    return static_cast<std::uint64_t>(status.st_size);
}

Result<void> read_at(int fd, std::uint64_t offset, void* into, std::size_t bytes) {
    const ssize_t count = ::pread(fd, into, bytes, static_cast<off_t>(offset));
    if (count < 0) return fail_errno(errno, "cannot read a log");
    if (static_cast<std::size_t>(count) != bytes)
        return fail(ErrorKind::corrupt, "a log ends in the middle of a record");
    return {};
}

Result<void> check_magic(int fd) {
    std::array<char, kMagic.size()> magic{};
    if (!read_at(fd, 0, magic.data(), magic.size()) ||
        std::string_view(magic.data(), magic.size()) != kMagic)
        return fail(ErrorKind::corrupt, "this file is no hako log");
    return {};
}

// Where the whole record at `offset` ends; nullopt when there is none.
std::optional<std::uint64_t> record_end(int fd, std::uint64_t offset) {
    Header header;
    Trailer trailer = 0;
    if (!read_at(fd, offset, &header, sizeof header) || !is_valid(header) ||
        !read_at(fd, offset + sizeof header + header.length, &trailer, sizeof trailer) ||
        trailer != header.length)
        return std::nullopt;
    return offset + kOverhead + header.length;
}

// The end of the last whole record. Usually that is the file's end, seen by its last trailer; after
// a crash all records are walked.
std::uint64_t end_of_records(int fd, std::uint64_t size) {
    Trailer last = 0;
    if (size == kMagic.size()) return size;
    if (size >= kMagic.size() + kOverhead && read_at(fd, size - sizeof last, &last, sizeof last) &&
        size - kMagic.size() >= last + kOverhead && record_end(fd, size - last - kOverhead) == size)
        return size;
    std::uint64_t offset = kMagic.size();
    while (const auto end = record_end(fd, offset)) offset = *end;
    return offset;
}

// Whether nothing, or an END record (which has no data), is the last before `end`.
bool is_finished(int fd, std::uint64_t end) {
    if (end == kMagic.size()) return true;
    Header header;
    return read_at(fd, end - kOverhead, &header, sizeof header) && is_valid(header) &&
           header.length == 0 && (header.flags & kEndFlag) != 0;
}

}  // namespace

// --- LogWriter -----------------------------------------------------------------------------------

Result<LogWriter> LogWriter::open(const std::filesystem::path& path, const LogLimits& limits) {
    HAKO_TRY(Fd fd, open_file(path, O_RDWR | O_CREAT, 0600));
    HAKO_TRY(auto size, size_of(fd.get()));
    if (size < kMagic.size()) {
        if (::ftruncate(fd.get(), 0) != 0)
            return fail_errno(errno, "cannot empty {}", path.native());
        HAKO_CHECK(write_all(fd.get(), kMagic));
        size = kMagic.size();
    }
    HAKO_CHECK(with_context(check_magic(fd.get()), path.native()));
    const auto end = end_of_records(fd.get(), size);
    if (end < size && ::ftruncate(fd.get(), static_cast<off_t>(end)) != 0)
        return fail_errno(errno, "cannot cut the torn end of {}", path.native());
    const bool is_open = !is_finished(fd.get(), end);
    return LogWriter(path, limits, std::move(fd), end, is_open);
}

Result<void> LogWriter::append(LogStream stream, std::span<const std::byte> data) {
    while (!data.empty()) {
        const auto piece = data.first(std::min(data.size(), kMaxLogData));
        HAKO_CHECK(write_record(stream, 0, piece));
        data = data.subspan(piece.size());
    }
    return {};
}

Result<void> LogWriter::finish() { return write_record(LogStream::out, kEndFlag, {}); }

Result<void> LogWriter::write_record(LogStream stream, std::uint8_t flags,
                                     std::span<const std::byte> data) {
    Header header{.time = now().time_since_epoch().count(),
                  .stream = static_cast<std::uint8_t>(stream),
                  .flags = flags,
                  .length = static_cast<std::uint32_t>(data.size())};
    Trailer trailer = header.length;
    std::array<iovec, 3> parts{{{&header, sizeof header},
                                {const_cast<std::byte*>(data.data()), data.size()},
                                {&trailer, sizeof trailer}}};
    const std::lock_guard lock(*mutex_);
    const auto wanted = static_cast<ssize_t>(kOverhead + data.size());
    HAKO_CHECK(make_room(kOverhead + data.size()));
    ssize_t written = -1;
    do written = ::pwritev(fd_.get(), parts.data(), parts.size(), static_cast<off_t>(size_));
    while (written < 0 && errno == EINTR);
    if (written == wanted) {
        size_ += static_cast<std::uint64_t>(wanted);
        is_open_ = flags != kEndFlag;
        return {};
    }
    const int error = written < 0 ? errno : ENOSPC;
    // The next record overwrites the torn one; cut, readers do not even look at it.
    if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0)
        return fail_errno(errno, "cannot cut the log");
    return fail_errno(error, "cannot write the log");
}

bool LogWriter::wait_for_reader(std::uint64_t most, const std::stop_token& stop) const {
    constexpr std::uint64_t kStatBlock = 512;
    while (!stop.stop_requested()) {
        if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) {
            ::flock(fd_.get(), LOCK_UN);
            return false;
        }
        struct stat status {};
        if (::fstat(fd_.get(), &status) != 0) return false;
        if (static_cast<std::uint64_t>(status.st_blocks) * kStatBlock <= most) return true;
        std::this_thread::sleep_for(kReaderPoll);
    }
    return false;
}

Result<void> LogWriter::make_room(std::uint64_t bytes) {
    if (limits_.max_bytes == 0 || size_ + bytes <= limits_.max_bytes || size_ == kMagic.size())
        return {};
    HAKO_CHECK(rotate_log(path_, limits_.max_files));
    HAKO_TRY(Fd next, open_file(path_, O_RDWR | O_CREAT | O_EXCL, 0600));
    HAKO_CHECK(write_all(next.get(), kMagic));
    fd_ = std::move(next);
    size_ = kMagic.size();
    return {};
}

// --- LogReader -----------------------------------------------------------------------------------

Result<LogReader> LogReader::open(const std::filesystem::path& path) {
    LogReader reader(Fd(), path);
    HAKO_CHECK(reader.enter(oldest_log(path)));
    return reader;
}

Result<LogReader> LogReader::take(const std::filesystem::path& path) {
    LogReader reader(Fd(), path);
    HAKO_CHECK(reader.enter(path));
    HAKO_TRY(reader.fd_, open_file(path, O_RDWR));
    if (::flock(reader.fd_.get(), LOCK_SH | LOCK_NB) != 0)
        return fail_errno(errno, "cannot take {}", path.native());
    reader.freed_ = reader.offset_;
    return reader;
}

void LogReader::free_read() {
    if (!freed_ || offset_ - *freed_ < kFreeBytes) return;
    const auto start = static_cast<off_t>(std::exchange(*freed_, offset_));
    // A file system that cannot do that keeps it until the end.
    (void)!::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start,
                       static_cast<off_t>(offset_) - start);
}

Result<void> LogReader::enter(const std::filesystem::path& file) {
    HAKO_TRY(Fd fd, open_file(file, O_RDONLY));
    HAKO_CHECK(with_context(check_magic(fd.get()), file.native()));
    fd_ = std::move(fd);
    offset_ = kMagic.size();
    skip_ = 0;
    watch_.reset();
    (void)stale();
    return {};
}

// A file is missing for the moment that its rotation takes.
Result<void> LogReader::enter_newest() {
    auto entered = enter(path_);
    if (!entered && entered.error().kind() == ErrorKind::not_found)
        return enter(rotated_log(path_, 1));
    return entered;
}

// Makes at least `bytes` unread bytes available; false when the file does not hold them yet.
Result<bool> LogReader::fill(std::size_t bytes) {
    if (buffer_.size() - used_ >= bytes) return true;
    buffer_.erase(0, used_);
    used_ = 0;
    const auto known = buffer_.size();
    buffer_.resize(std::max(kReadBytes, bytes));
    const ssize_t count = ::pread(fd_.get(), buffer_.data() + known, buffer_.size() - known,
                                  static_cast<off_t>(offset_ + known));
    buffer_.resize(known + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0) return fail_errno(errno, "cannot read the log");
    return buffer_.size() >= bytes;
}

Result<std::optional<LogRecord>> LogReader::next() {
    while (true) {
        HAKO_TRY(auto record, next_here());
        if (record) return record;
        const auto newer = newer_log(path_, fd_.get());
        if (!newer) return record;
        // Nothing more is written to a file that has a newer one.
        HAKO_TRY(record, next_here());
        if (record) return record;
        // Rotated once more meanwhile: looked for anew.
        if (auto entered = enter(*newer);
            !entered && entered.error().kind() != ErrorKind::not_found)
            return fail(entered.error());
    }
}

Result<std::optional<LogRecord>> LogReader::next_here() {
    HAKO_TRY(const bool has_header, fill(sizeof(Header)));
    if (!has_header) return stale();
    Header header;
    std::memcpy(&header, buffer_.data() + used_, sizeof header);
    if (!is_valid(header))
        return fail(ErrorKind::corrupt, "the log is damaged at byte {}", offset_);
    HAKO_TRY(const bool is_whole, fill(kOverhead + header.length));
    if (!is_whole) return stale();
    LogRecord record{
        .time = WallTime(std::chrono::nanoseconds(header.time)),
        .stream = static_cast<LogStream>(header.stream),
        .end = (header.flags & kEndFlag) != 0,
        .data = buffer_.substr(used_ + sizeof header, header.length).substr(skip_),
    };
    skip_ = 0;
    used_ += kOverhead + header.length;
    offset_ += kOverhead + header.length;
    free_read();
    return record;
}

// Nothing whole is there. What was read of a torn record may be cut and written anew.
std::optional<LogRecord> LogReader::stale() {
    buffer_.clear();
    used_ = 0;
    return std::nullopt;
}

Result<bool> LogReader::wait(std::stop_token stop, std::chrono::milliseconds timeout) {
    if (stop.stop_requested()) return false;
    if (!watch_) {
        watch_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!watch_) return fail_errno(errno, "cannot watch files");
        if (::inotify_add_watch(watch_.get(), path_.c_str(), IN_MODIFY | IN_MOVE_SELF | IN_ATTRIB) <
            0)
            return fail_errno(errno, "cannot watch {}", path_.native());
        return true;  // what came before the watch
    }
    HAKO_TRY(FdPair wake, make_pipe());
    const std::stop_callback on_stop(stop, [&] { wake.second.reset(); });
    std::array<pollfd, 2> entries{{{.fd = watch_.get(), .events = POLLIN, .revents = 0},
                                   {.fd = wake.first.get(), .events = POLLIN, .revents = 0}}};
    if (::poll(entries.data(), entries.size(), static_cast<int>(timeout.count())) < 0 &&
        errno != EINTR)
        return fail_errno(errno, "cannot poll");
    if (entries[0].revents == 0) return false;
    std::array<char, 4096> events{};
    while (::read(watch_.get(), events.data(), events.size()) > 0) {
    }
    return true;
}

Result<void> LogReader::seek_end() {
    HAKO_CHECK(enter_newest());
    HAKO_TRY(const auto size, size_of(fd_.get()));
    offset_ = end_of_records(fd_.get(), size);
    return {};
}

Result<void> LogReader::seek_last_lines(std::size_t lines) {
    HAKO_CHECK(seek_end());
    bool is_last = true;
    while (true) {
        HAKO_TRY(lines, skip_back(lines, is_last));
        if (lines == 0) return {};
        const auto older = older_log(path_, fd_.get());
        if (!older) return {};
        if (!enter(*older)) return enter(oldest_log(path_));
        HAKO_TRY(const auto size, size_of(fd_.get()));
        offset_ = end_of_records(fd_.get(), size);
    }
}

// Backwards by the trailers: the lines begin behind the lines-th newline from the end, where a
// newline that ends all output does not count. How many are still missing at the file's beginning.
Result<std::size_t> LogReader::skip_back(std::size_t lines, bool& is_last) {
    std::string data;
    while (lines > 0 && offset_ > kMagic.size()) {
        Trailer length = 0;
        HAKO_CHECK(read_at(fd_.get(), offset_ - sizeof length, &length, sizeof length));
        if (length > kMaxLogData || offset_ - kMagic.size() < length + kOverhead)
            return fail(ErrorKind::corrupt, "the log is damaged before byte {}", offset_);
        data.resize(length);
        HAKO_CHECK(read_at(fd_.get(), offset_ - sizeof length - length, data.data(), length));
        offset_ -= kOverhead + length;
        for (std::size_t at = data.size(); at-- > 0;) {
            if (data[at] == '\n' && !std::exchange(is_last, false) && --lines == 0) {
                skip_ = at + 1;
                break;
            }
            is_last = false;
        }
    }
    return lines;
}

// --- LineSplitter --------------------------------------------------------------------------------

std::vector<LineSplitter::Line> LineSplitter::feed(const LogRecord& record) {
    if (record.end) return flush();
    std::vector<Line> lines;
    Line& open = open_[record.stream == LogStream::err ? 1 : 0];
    std::string_view rest = record.data;
    while (!rest.empty()) {
        if (open.text.empty()) open = {.time = record.time, .stream = record.stream};
        const auto newline = rest.find('\n');
        const auto room = kMaxLogData - open.text.size();
        const auto piece = rest.substr(
            0, std::min(newline == std::string_view::npos ? rest.size() : newline + 1, room));
        open.text += piece;
        rest.remove_prefix(piece.size());
        if (open.text.ends_with('\n') || open.text.size() == kMaxLogData)
            lines.push_back(std::exchange(open, {}));
    }
    return lines;
}

std::vector<LineSplitter::Line> LineSplitter::flush() {
    std::vector<Line> lines;
    for (Line& open : open_)
        if (!open.text.empty()) lines.push_back(std::exchange(open, {}));
    return lines;
}

}  // namespace hako::runtime
