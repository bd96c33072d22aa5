#include "images/byte_channel.h"

#include <algorithm>
#include <cstring>

namespace hako::images {

Result<void> ByteChannel::write(std::span<const std::byte> data) {
    auto state = state_.lock();
    while (!data.empty()) {
        changed_.wait(state.lock(),
                      [&] { return state->abandoned || state->size < buffer_.size(); });
        if (state->abandoned) return fail(ErrorKind::cancelled, "nobody reads any longer");
        const auto end = (state->begin + state->size) % buffer_.size();
        const auto count =
            std::min({data.size(), buffer_.size() - state->size, buffer_.size() - end});
        std::memcpy(buffer_.data() + end, data.data(), count);
        state->size += count;
        data = data.subspan(count);
        changed_.notify_all();
    }
    return {};
}

void ByteChannel::close(std::optional<Error> error) {
    auto state = state_.lock();
    state->closed = true;
    state->error = std::move(error);
    changed_.notify_all();
}

Result<std::size_t> ByteChannel::read(std::span<std::byte> buffer) {
    auto state = state_.lock();
    changed_.wait(state.lock(), [&] { return state->closed || state->size > 0; });
    if (state->error) return fail(*state->error);
    const auto count = std::min({buffer.size(), state->size, buffer_.size() - state->begin});
    std::memcpy(buffer.data(), buffer_.data() + state->begin, count);
    state->begin = (state->begin + count) % buffer_.size();
    state->size -= count;
    changed_.notify_all();
    return count;
}

void ByteChannel::abandon() {
    state_.lock()->abandoned = true;
    changed_.notify_all();
}

}  // namespace hako::images
