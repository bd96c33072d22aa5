// A source of bytes that can be read once, front to back: a file, a download, a request's body.
#pragma once

#include <cstddef>
#include <span>

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

}  // namespace hako
