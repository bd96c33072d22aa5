#include "oci/blob_upload.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace hako::oci {
namespace {

// Registries read a blob once more before they take it.
constexpr std::chrono::seconds kFinishTimeout{300};

std::uint64_t number_or(std::string_view text, std::uint64_t fallback) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && !text.empty() ? number
                                                                                     : fallback;
}

// "0-99" (some write "bytes=0-99"): 100 bytes are there. "0-0" is what registries say of none.
std::uint64_t received_bytes(std::string_view range) {
    const auto dash = range.find('-');
    if (dash == range.npos) return 0;
    const auto last = number_or(range.substr(dash + 1), 0);
    return last == 0 ? 0 : last + 1;
}

}  // namespace

Result<std::optional<std::string>> BlobUpload::run(std::span<const std::string> sources) {
    BackOff back_off(host_.options());
    while (true) {
        const auto before = offset_;
        const auto done = attempt(sources);
        if (done) return mounted_from_;
        if (!done.error().is_passing) return fail(done.error().error);
        if (offset_ > before) back_off.restart();
        HAKO_CHECK(back_off.wait(done.error().error, done.error().retry_after, stop_));
        in_doubt_ = true;
    }
}

BlobUpload::Step BlobUpload::attempt(std::span<const std::string> sources) {
    if (!location_.empty() && in_doubt_) {
        // A registry that forgot the upload, or cannot go on with it, gets a new one.
        const auto state = ask_state();
        if (!state && state.error().error.kind() == ErrorKind::cancelled) return state;
        if (!state) location_.clear();
    }
    in_doubt_ = false;
    if (location_.empty()) {
        auto started = start(sources);
        if (!started || started->status == 201) return started;
    }
    return send_rest();
}

BlobUpload::Step BlobUpload::start(std::span<const std::string> sources) {
    offset_ = 0;
    while (!sources.empty()) {
        // Where the source does not have it, the registry begins an upload at once.
        auto response = ask_for_upload({{"mount", blob_.digest.text()}, {"from", sources.front()}});
        if (!response) return response;
        if (response->status == 201) mounted_from_ = sources.front();
        sources = sources.subspan(1);
        if (mounted_from_ || sources.empty()) return response;
        abandon();
    }
    return ask_for_upload({});
}

BlobUpload::Step BlobUpload::ask_for_upload(const http::Query& query) {
    auto response =
        step({.method = "POST",
              .target = http::make_target(fmt::format("/v2/{}/blobs/uploads/", repository_), query),
              .body = HttpBody::of({})},
             std::array{201, 202});
    if (!response || response->status == 201) return response;
    chunk_ = std::max(host_.options().upload_chunk,
                      number_or(response->header("oci-chunk-min-length"), 0));
    move_on(*response);
    if (location_.empty())
        return tl::unexpected(
            Trouble{Error(ErrorKind::unavailable,
                          fmt::format("registry {} takes the upload of blob {}, but does not say "
                                      "where; is it a registry?",
                                      host_.subject().domain, blob_.digest.text())),
                    false,
                    {}});
    return response;
}

// What it does not take back, the registry forgets after a while.
void BlobUpload::abandon() {
    (void)step({.method = "DELETE", .target = location_}, std::array{204});
    location_.clear();
}

BlobUpload::Step BlobUpload::ask_state() {
    auto response = step({.target = location_}, std::array{200, 204});
    if (!response) return response;
    move_on(*response);
    offset_ = std::min(received_bytes(response->header("range")), blob_.size);
    return response;
}

BlobUpload::Step BlobUpload::send_rest() {
    if (offset_ == 0 && blob_.size <= chunk_) return finish(part(0, blob_.size), 0);
    while (offset_ < blob_.size) {
        auto sent = send_chunk();
        if (!sent) return sent;
    }
    return finish(HttpBody::of({}), blob_.size);
}

BlobUpload::Step BlobUpload::send_chunk() {
    const auto size = std::min(chunk_, blob_.size - offset_);
    auto response =
        step({.method = "PATCH",
              .target = location_,
              .headers = {"Content-Type: application/octet-stream",
                          fmt::format("Content-Range: {}-{}", offset_, offset_ + size - 1)},
              .body = part(offset_, size)},
             std::array{202});
    if (!response) return response;
    move_on(*response);
    offset_ += size;
    return response;
}

BlobUpload::Step BlobUpload::finish(HttpBody body, std::uint64_t begin) {
    const bool is_whole = begin == 0;
    auto request = RegistryRequest{.method = "PUT",
                                   .target = location_,
                                   .headers = {"Content-Type: application/octet-stream"},
                                   .body = std::move(body),
                                   .stall_timeout = kFinishTimeout};
    request.target += (location_.find('?') == std::string::npos ? '?' : '&') +
                      http::Query{{"digest", blob_.digest.text()}}.encode();
    auto response = step(std::move(request), std::array{201});
    // What became of a whole that was cut off is not worth asking: it is small.
    if (!response && is_whole) location_.clear();
    return response;
}

BlobUpload::Step BlobUpload::step(RegistryRequest request, std::span<const int> statuses) {
    request.what = "blob " + blob_.digest.text();
    auto answer = host_.send(request, stop_);
    if (answer && std::ranges::find(statuses, answer->status) != statuses.end())
        return *std::move(answer);
    // 404 and 416 are about the upload, not about the repository: it can be begun anew.
    const bool upload_lost =
        answer && request.target == location_ && (answer->status == 404 || answer->status == 416);
    return tl::unexpected(Trouble{host_.explain(request, answer),
                                  upload_lost || RegistryHost::is_passing(answer),
                                  answer ? answer->header("retry-after") : std::string()});
}

void BlobUpload::move_on(const HttpResponse& response) {
    const auto next = response.header("location");
    if (next.empty()) return;
    if (auto url = resolve_url(response.url, next)) location_ = *std::move(url);
}

HttpBody BlobUpload::part(std::uint64_t begin, std::uint64_t size) const {
    return {size,
            [this, begin, size](std::uint64_t offset,
                                std::span<std::byte> buffer) -> Result<std::size_t> {
                const auto room = std::min<std::uint64_t>(buffer.size(), size - offset);
                if (room == 0) return 0;
                HAKO_TRY(
                    const auto count,
                    content_.read(begin + offset, buffer.first(static_cast<std::size_t>(room))));
                if (count == 0)
                    return fail(ErrorKind::corrupt, "blob {} is shorter on disk than {} bytes",
                                blob_.digest.text(), blob_.size);
                if (sent_) sent_(begin + offset + count);
                return count;
            }};
}

}  // namespace hako::oci
