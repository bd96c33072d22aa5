#include "oci/blob_stream.h"

#include <algorithm>
#include <charconv>

namespace hako::oci {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// "bytes 100-199/200" begins at 100.
std::optional<std::uint64_t> range_begin(std::string_view content_range) {
    if (!content_range.starts_with("bytes ")) return std::nullopt;
    content_range.remove_prefix(6);
    return parse_number(content_range.substr(0, content_range.find('-')));
}

}  // namespace

Result<void> BlobStream::take(const HttpResponse& head, std::span<const std::byte> data) {
    if (!skip_) HAKO_CHECK(begin(head));
    const auto skipped = std::min<std::uint64_t>(*skip_, data.size());
    *skip_ -= skipped;
    data = data.subspan(skipped);
    if (data.size() > descriptor_.size - written_)
        return fail(ErrorKind::corrupt, "it sends more than the {} bytes that {} has",
                    descriptor_.size, descriptor_.digest.text());
    if (data.empty()) return {};
    HAKO_CHECK(sink_.write(data));
    written_ += data.size();
    if (received_) received_(written_);
    return {};
}

// A server that does not know ranges sends all once more.
Result<void> BlobStream::begin(const HttpResponse& head) {
    skip_ = written_;
    if (head.status == 206) {
        if (range_begin(head.header("content-range")) != written_)
            return fail(ErrorKind::unavailable, "it sends another range than it was asked for");
        skip_ = 0;
    }
    const auto length = parse_number(head.header("content-length"));
    if (length && *length > descriptor_.size)
        return fail(ErrorKind::corrupt, "it announces {} bytes for {}, which has {}", *length,
                    descriptor_.digest.text(), descriptor_.size);
    return {};
}

}  // namespace hako::oci
