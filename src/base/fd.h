// File descriptors that close themselves, and the few file operations everybody needs.
// Everything opened here is CLOEXEC; EINTR is handled inside.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace hako {

// Unique owner of a file descriptor.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1);
    Result<Fd> duplicate() const;

private:
    int fd_ = -1;
};

struct FdPair {
    Fd first;
    Fd second;
};

// flags as for open(2); O_CLOEXEC is added.
Result<Fd> open_file(const std::filesystem::path& path, int flags, mode_t mode = 0644);
// first is the end to read, second the end to write.
Result<FdPair> make_pipe();
// AF_UNIX stream sockets, joined.
Result<FdPair> make_socket_pair();
// A listening, a connecting AF_UNIX stream socket. Paths are limited to 107 bytes (sun_path).
Result<Fd> listen_unix(const std::filesystem::path& path, mode_t mode, int backlog = 128);
Result<Fd> connect_unix(const std::filesystem::path& path);

Result<void> set_nonblocking(int fd, bool on);
// How many bytes were read: 0 is the end of the file.
Result<std::size_t> read_some(int fd, std::span<std::byte> buffer);
// Reads until the buffer is full or the file ends; returns how many bytes were read.
Result<std::size_t> read_full(int fd, std::span<std::byte> buffer);
Result<void> write_all(int fd, std::span<const std::byte> data);
Result<void> write_all(int fd, std::string_view text);
// True when fd is readable (or at its end) before the time-out; no time-out waits for ever.
Result<bool> wait_readable(int fd, std::optional<std::chrono::milliseconds> timeout);

// Whole small files. Larger than limit bytes is ErrorKind::too_large.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit = 64U << 20U);
Result<void> write_file(const std::filesystem::path& path, std::string_view text,
                        mode_t mode = 0644);
// By a temporary file and rename: readers see the old text or the new one. Not synced to disk:
// for what must outlast a power failure see store/file.h.
Result<void> replace_file(const std::filesystem::path& path, std::string_view text,
                          mode_t mode = 0644);

// A directory of our own that is removed, with all below it, at the end.
class TempDir {
public:
    // Below parent, or below the system's folder for temporary files.
    static Result<TempDir> create(const std::filesystem::path& parent = {});
    TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    TempDir& operator=(TempDir&& other) noexcept;
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir();

    const std::filesystem::path& path() const { return path_; }

private:
    explicit TempDir(std::filesystem::path path) : path_(std::move(path)) {}
    std::filesystem::path path_;
};

inline std::span<const std::byte> as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(std::span<const std::byte> data) {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace hako
