// Bytes that are read or written once, front to back: a file, a download, a request's body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace hako {

class Reader {
public:
    Reader() = default;
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    virtual ~Reader() = default;
    // At least one byte, or 0 at the end. Blocks.
    virtual Result<std::size_t> read(std::span<std::byte> buffer) = 0;
};

class Writer {
public:
    Writer() = default;
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    virtual ~Writer() = default;
    // All of it, or an error. Blocks as long as the other side does not take it.
    virtual Result<void> write(std::span<const std::byte> data) = 0;
};

// Borrows the descriptor.
class FdReader : public Reader {
public:
    explicit FdReader(int fd) : fd_(fd) {}
    Result<std::size_t> read(std::span<std::byte> buffer) override {
        return read_some(fd_, buffer);
    }

private:
    int fd_;
};

// Borrows the descriptor.
class FdWriter : public Writer {
public:
    explicit FdWriter(int fd) : fd_(fd) {}
    Result<void> write(std::span<const std::byte> data) override { return write_all(fd_, data); }

private:
    int fd_;
};

// Reads a text that it keeps, at most `step` bytes at once.
class TextReader : public Reader {
public:
    explicit TextReader(std::string text, std::size_t step = std::string::npos)
        : text_(std::move(text)), step_(step) {}
    Result<std::size_t> read(std::span<std::byte> buffer) override;

private:
    std::string text_;
    std::size_t step_;
    std::size_t position_ = 0;
};

// Keeps all that is written.
class TextWriter : public Writer {
public:
    Result<void> write(std::span<const std::byte> data) override {
        text += as_text(data);
        return {};
    }
    std::string text;
};

// All that is left in the reader; how many bytes that was.
Result<std::uint64_t> copy_all(Reader& from, Writer& to);

// Reads to the end and forgets.
Result<void> drain(Reader& from);

}  // namespace hako
