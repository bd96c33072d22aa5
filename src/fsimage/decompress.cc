#include "fsimage/decompress.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <string_view>
#include <vector>

namespace hako::fsimage {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kInputSize = 256 * 1024;

// What was read from the source and is not used yet.
class Input {
public:
    explicit Input(Reader& source) : source_(source), buffer_(kInputSize) {}

    std::span<const std::byte> rest() const {
        return std::span(buffer_).subspan(begin_, end_ - begin_);
    }
    void consume(std::size_t count) { begin_ += count; }
    std::uint64_t total() const { return total_; }

    // Makes rest() hold at least `wanted` bytes (of a small header), if there are so many.
    Result<void> fill(std::size_t wanted) {
        if (begin_ == end_) begin_ = end_ = 0;
        while (end_ - begin_ < wanted) {
            HAKO_TRY(const std::size_t count, source_.read(std::span(buffer_).subspan(end_)));
            if (count == 0) break;
            end_ += count;
            total_ += count;
        }
        return {};
    }

private:
    Reader& source_;
    std::vector<std::byte> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::uint64_t total_ = 0;
};

class Plain : public Decompressor {
public:
    explicit Plain(Input input) : input_(std::move(input)) {}

    Result<std::size_t> read(std::span<std::byte> buffer) override {
        HAKO_CHECK(input_.fill(1));
        const std::span<const std::byte> rest = input_.rest();
        const std::size_t count = std::min(rest.size(), buffer.size());
        std::copy_n(rest.begin(), count, buffer.begin());
        input_.consume(count);
        return count;
    }
    std::uint64_t compressed_bytes() const override { return input_.total(); }

private:
    Input input_;
};

class Gzip : public Decompressor {
public:
    explicit Gzip(Input input) : input_(std::move(input)), state_(new inflate_state) {
        isal_inflate_init(state_.get());
        state_->crc_flag = ISAL_GZIP;
    }

    Result<std::size_t> read(std::span<std::byte> buffer) override {
        if (buffer.empty()) return 0;
        for (;;) {
            HAKO_CHECK(input_.fill(1));
            const std::span<const std::byte> rest = input_.rest();
            if (state_->block_state == ISAL_BLOCK_FINISH) {
                if (rest.empty()) return 0;
                isal_inflate_reset(state_.get());
                state_->crc_flag = ISAL_GZIP;
            }
            HAKO_TRY(const std::size_t count, inflate(rest, buffer));
            if (count > 0) return count;
            if (rest.empty() && state_->block_state != ISAL_BLOCK_FINISH)
                return fail(ErrorKind::corrupt,
                            "the gzip stream ends too early: fetch the layer again");
        }
    }
    std::uint64_t compressed_bytes() const override { return input_.total(); }

private:
    Result<std::size_t> inflate(std::span<const std::byte> rest, std::span<std::byte> buffer) {
        // igzip counts in 32 bits and does not write through next_in.
        state_->next_in =
            const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(rest.data()));
        state_->avail_in = static_cast<std::uint32_t>(rest.size());
        state_->next_out = reinterpret_cast<std::uint8_t*>(buffer.data());
        const std::size_t room = std::min<std::size_t>(buffer.size(), 1U << 30U);
        state_->avail_out = static_cast<std::uint32_t>(room);
        const int status = isal_inflate(state_.get());
        input_.consume(rest.size() - state_->avail_in);
        if (status != ISAL_DECOMP_OK && status != ISAL_END_INPUT)
            return fail(ErrorKind::corrupt, "the gzip stream is damaged (igzip error {})", status);
        return room - state_->avail_out;
    }

    Input input_;
    std::unique_ptr<inflate_state> state_;
};

class Zstd : public Decompressor {
public:
    explicit Zstd(Input input) : input_(std::move(input)), stream_(ZSTD_createDStream()) {
        if (!stream_) throw std::bad_alloc();
    }

    Result<std::size_t> read(std::span<std::byte> buffer) override {
        if (buffer.empty()) return 0;
        for (;;) {
            HAKO_CHECK(input_.fill(1));
            const std::span<const std::byte> rest = input_.rest();
            ZSTD_inBuffer in{rest.data(), rest.size(), 0};
            ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
            const bool at_frame_end = wanted_ == 0;
            if (rest.empty() && at_frame_end) return 0;
            wanted_ = ZSTD_decompressStream(stream_.get(), &out, &in);
            input_.consume(in.pos);
            if (ZSTD_isError(wanted_) != 0)
                return fail(ErrorKind::corrupt, "the zstd stream is damaged: {}",
                            ZSTD_getErrorName(wanted_));
            if (out.pos > 0) return out.pos;
            if (rest.empty())
                return fail(ErrorKind::corrupt,
                            "the zstd stream ends too early: fetch the layer again");
        }
    }
    std::uint64_t compressed_bytes() const override { return input_.total(); }

private:
    struct Free {
        void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
    };
    Input input_;
    std::unique_ptr<ZSTD_DStream, Free> stream_;
    std::size_t wanted_ = 0;  // what zstd said last: 0 between two frames
};

bool is_zstd(std::string_view start) {
    // A frame, or one of the sixteen skippable frames.
    return start.starts_with("\x28\xB5\x2F\xFD"sv) ||
           (start.size() >= 4 && (static_cast<unsigned char>(start[0]) & 0xF0U) == 0x50 &&
            start.substr(1, 3) == "\x2A\x4D\x18"sv);
}

}  // namespace

Result<std::unique_ptr<Decompressor>> open_decompressor(Reader& source) {
    Input input(source);
    constexpr std::size_t kLongestMagic = 6;
    HAKO_CHECK(input.fill(kLongestMagic));
    const std::string_view start =
        as_text(input.rest().first(std::min(input.rest().size(), kLongestMagic)));
    if (start.starts_with("\x1F\x8B"sv)) return std::make_unique<Gzip>(std::move(input));
    if (is_zstd(start)) return std::make_unique<Zstd>(std::move(input));
    if (start.starts_with("BZh"sv) || start == "\xFD\x37zXZ\0"sv)
        return fail(ErrorKind::unimplemented,
                    "the layer is compressed by {}: compress it by gzip or zstd instead",
                    start[0] == 'B' ? "bzip2" : "xz");
    return std::make_unique<Plain>(std::move(input));
}

}  // namespace hako::fsimage
