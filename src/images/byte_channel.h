// A bounded pipe in memory between a thread that downloads and one that unpacks.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <optional>
#include <vector>

#include "base/guarded.h"
#include "base/stream.h"

namespace hako::images {

// One thread writes, one reads.
class ByteChannel : public Reader, public Writer {
public:
    explicit ByteChannel(std::size_t capacity) : buffer_(capacity) {}

    // Writer's side. ErrorKind::cancelled once the reader has gone.
    Result<void> write(std::span<const std::byte> data) override;
    // No more will come: because all was written, or because of the error, which the reader gets.
    void close(std::optional<Error> error = {});

    // Reader's side.
    Result<std::size_t> read(std::span<std::byte> buffer) override;
    void abandon();

private:
    struct State {
        std::size_t begin = 0;  // of the bytes in the ring
        std::size_t size = 0;
        bool closed = false;
        bool abandoned = false;
        std::optional<Error> error;
    };

    std::vector<std::byte> buffer_;  // guarded by state_
    Guarded<State> state_;
    std::condition_variable changed_;
};

}  // namespace hako::images
