#include "oci/transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>

#include "oci/exchange.h"

namespace hako::oci {
namespace {

constexpr int kMaxRedirects = 10;

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// The request as it goes on to where a redirect leads. RFC 9110, 15.4: 303 always becomes GET.
Result<void> follow(HttpRequest& request, const HttpResponse& response) {
    HAKO_TRY(auto target, with_context(resolve_url(request.url, response.header("location")),
                                       "a redirect leads nowhere"));
    HAKO_TRY(const auto from, origin_of(request.url));
    HAKO_TRY(const auto to, origin_of(target));
    if (from.scheme == "https" && to.scheme != "https")
        return fail(ErrorKind::forbidden, "a redirect leads away from HTTPS to {}; refused",
                    to.host);
    if (response.status == 303 && request.method != "HEAD") {
        request.method = "GET";
        request.body.reset();
        request.secret_body = false;
    }
    if (from != to) {
        if (request.secret_body)
            return fail(ErrorKind::forbidden,
                        "a redirect would take credentials from {} to {}; refused", from.host,
                        to.host);
        request.authorization.clear();
    }
    request.url = std::move(target);
    return {};
}

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

Result<Url> parse_url(std::string_view text) {
    Url url(curl_url(), curl_url_cleanup);
    if (!url || curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), 0) != CURLUE_OK)
        return fail(ErrorKind::invalid, "\"{}\" is no URL", text);
    return url;
}

std::string part_of(const Url& url, CURLUPart which, unsigned flags = 0) {
    char* text = nullptr;
    curl_url_get(url.get(), which, &text, flags);
    std::string result = text == nullptr ? "" : text;
    curl_free(text);
    return result;
}

}  // namespace

HttpBody HttpBody::of(std::string text) {
    const auto size = text.size();
    return {size,
            [text = std::move(text)](std::uint64_t offset,
                                     std::span<std::byte> buffer) -> Result<std::size_t> {
                const auto rest = std::string_view(text).substr(std::min(offset, text.size()));
                const auto count = std::min(rest.size(), buffer.size());
                std::memcpy(buffer.data(), rest.data(), count);
                return count;
            }};
}

std::string HttpResponse::header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
}

void Transport::HandleDeleter::operator()(void* handle) const { curl_easy_cleanup(handle); }

Transport::~Transport() = default;

Transport::Handle Transport::take_handle() {
    static std::once_flag initialized;
    std::call_once(initialized, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) return Handle(curl_easy_init());
    auto handle = std::move(idle_.back());
    idle_.pop_back();
    return handle;
}

void Transport::return_handle(Handle handle) {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(handle));
}

Exchanged Transport::exchange(const HttpRequest& request, std::size_t max_body,
                              std::stop_token stop, const BodySink& sink) {
    const auto refuse = [](Error error) {
        return tl::unexpected(TransportFailure{TransportFailure::Cause::final, std::move(error)});
    };
    auto handle = take_handle();
    if (!handle) return refuse(Error(ErrorKind::exhausted, "no memory for a connection"));
    auto current = request;
    for (int hop = 0; hop <= kMaxRedirects; ++hop) {
        auto response = Exchange(handle.get(), current, options_, max_body, stop, sink).run();
        if (!response || !is_redirect(response->status)) {
            return_handle(std::move(handle));
            return response;
        }
        if (auto followed = follow(current, *response); !followed)
            return refuse(std::move(followed).error());
    }
    return refuse(Error(ErrorKind::unavailable,
                        fmt::format("more than {} redirects, given up; is the server set up right?",
                                    kMaxRedirects)));
}

Result<Origin> origin_of(std::string_view text) {
    HAKO_TRY(const auto url, parse_url(text));
    auto host = part_of(url, CURLUPART_HOST);
    std::ranges::transform(host, host.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    return Origin{part_of(url, CURLUPART_SCHEME), std::move(host),
                  part_of(url, CURLUPART_PORT, CURLU_DEFAULT_PORT)};
}

Result<std::string> resolve_url(std::string_view base, std::string_view reference) {
    HAKO_TRY(const auto url, parse_url(base));
    // curl resolves what is set on a URL against the URL that is there.
    if (reference.empty() ||
        curl_url_set(url.get(), CURLUPART_URL, std::string(reference).c_str(), 0) != CURLUE_OK)
        return fail(ErrorKind::unavailable, "\"{}\" is no URL", reference);
    return part_of(url, CURLUPART_URL);
}

}  // namespace hako::oci
