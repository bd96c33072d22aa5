#include "oci/transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <optional>

#include "base/fd.h"

namespace hako::oci {
namespace {

constexpr int kMaxRedirects = 10;
constexpr std::size_t kMaxErrorBytes = 64U << 10U;
constexpr std::size_t kMaxHeaderBytes = 256U << 10U;
constexpr long kReceiveBytes = 512L << 10U;

using Failure = TransportFailure;

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    const auto begin = text.find_first_not_of(kBlank);
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// One request and its response, without redirects.
class Exchange {
public:
    Exchange(CURL* handle, const HttpRequest& request, const TransportOptions& options,
             std::size_t max_body, std::stop_token stop, const BodySink& sink)
        : handle_(handle), max_body_(max_body), stop_(std::move(stop)), sink_(sink) {
        curl_easy_reset(handle_);
        set(CURLOPT_URL, request.url.c_str());
        set(CURLOPT_PROTOCOLS_STR, "http,https");
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_USERAGENT, "hako");
        set(CURLOPT_BUFFERSIZE, kReceiveBytes);
        set(CURLOPT_ERRORBUFFER, error_text_);
        set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
        set(CURLOPT_LOW_SPEED_LIMIT, 1L);
        set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_timeout.count()));
        set(CURLOPT_HEADERFUNCTION, &Exchange::on_header);
        set(CURLOPT_HEADERDATA, this);
        set(CURLOPT_WRITEFUNCTION, &Exchange::on_body);
        set(CURLOPT_WRITEDATA, this);
        set(CURLOPT_XFERINFOFUNCTION, &Exchange::on_progress);
        set(CURLOPT_XFERINFODATA, this);
        set(CURLOPT_NOPROGRESS, 0L);
        const auto origin = origin_of(request.url);
        if (origin && is_loopback(origin->host)) set(CURLOPT_NOPROXY, "*");
        for (const auto& header : request.headers) add_header(header);
        if (!request.authorization.empty()) add_header("Authorization: " + request.authorization);
        set(CURLOPT_HTTPHEADER, headers_);
        if (!request.form.empty()) set(CURLOPT_COPYPOSTFIELDS, request.form.c_str());
    }
    ~Exchange() { curl_slist_free_all(headers_); }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    tl::expected<HttpResponse, Failure> run() {
        const auto code = curl_easy_perform(handle_);
        if (error_) return tl::unexpected(Failure{Failure::Cause::final, *std::move(error_)});
        if (code != CURLE_OK) return tl::unexpected(failure(code));
        response_.status = status();
        return std::move(response_);
    }

    // Where a redirect leads; empty when there is none.
    std::string redirect() const {
        const char* url = nullptr;
        curl_easy_getinfo(handle_, CURLINFO_REDIRECT_URL, &url);
        return url == nullptr ? "" : url;
    }

private:
    template <typename T>
    void set(CURLoption option, T value) {
        curl_easy_setopt(handle_, option, value);
    }
    void add_header(const std::string& line) {
        headers_ = curl_slist_append(headers_, line.c_str());
    }

    static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self) {
        auto& exchange = *static_cast<Exchange*>(self);
        const std::string_view line(data, size);
        exchange.header_bytes_ += size;
        if (exchange.header_bytes_ > kMaxHeaderBytes) {
            exchange.error_ = Error(ErrorKind::too_large, "the response has too long a header");
            return 0;
        }
        // The response's own head; those of a proxy or of "100 Continue" came before.
        if (line.starts_with("HTTP/")) exchange.response_ = {};
        const auto colon = line.find(':');
        if (colon != line.npos)
            exchange.response_.headers.emplace(lower(trim(line.substr(0, colon))),
                                               trim(line.substr(colon + 1)));
        return size;
    }

    static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) {
        return static_cast<Exchange*>(self)->take({data, size}) ? size : 0;
    }

    bool take(std::string_view data) {
        response_.status = status();
        const bool wanted = response_.status == 200 || response_.status == 206;
        if (wanted && sink_) {
            if (auto taken = sink_(response_, as_bytes(data)); !taken)
                error_ = std::move(taken).error();
            return !error_;
        }
        const auto limit = wanted ? max_body_ : kMaxErrorBytes;
        if (response_.body.size() + data.size() > limit) {
            if (wanted)
                error_ = Error(ErrorKind::too_large,
                               fmt::format("the response is longer than {} bytes", limit));
            return !wanted;
        }
        response_.body += data;
        return true;
    }

    static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
        return static_cast<Exchange*>(self)->stop_.stop_requested() ? 1 : 0;
    }

    int status() const {
        long code = 0;
        curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &code);
        return static_cast<int>(code);
    }

    Failure failure(CURLcode code) const {
        const std::string text = error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code);
        const auto make = [&](Failure::Cause cause, ErrorKind kind = ErrorKind::unavailable) {
            return Failure{cause, Error(kind, text)};
        };
        switch (code) {
            case CURLE_ABORTED_BY_CALLBACK:
                return Failure{Failure::Cause::final, Error(ErrorKind::cancelled, "cancelled")};
            case CURLE_COULDNT_RESOLVE_HOST:
            case CURLE_COULDNT_RESOLVE_PROXY:
            case CURLE_COULDNT_CONNECT: return make(Failure::Cause::unreachable);
            case CURLE_SSL_CONNECT_ERROR: return make(Failure::Cause::no_tls);
            case CURLE_OPERATION_TIMEDOUT: return make(Failure::Cause::broken, ErrorKind::deadline);
            case CURLE_PARTIAL_FILE:
            case CURLE_GOT_NOTHING:
            case CURLE_RECV_ERROR:
            case CURLE_SEND_ERROR:
            case CURLE_HTTP2:
            case CURLE_HTTP2_STREAM: return make(Failure::Cause::broken);
            default: return make(Failure::Cause::final);
        }
    }

    CURL* handle_;
    std::size_t max_body_;
    std::stop_token stop_;
    const BodySink& sink_;
    curl_slist* headers_ = nullptr;
    char error_text_[CURL_ERROR_SIZE] = {};
    HttpResponse response_;
    std::size_t header_bytes_ = 0;
    std::optional<Error> error_;
};

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

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

tl::expected<HttpResponse, TransportFailure> Transport::exchange(const HttpRequest& request,
                                                                 std::size_t max_body,
                                                                 std::stop_token stop,
                                                                 const BodySink& sink) {
    const auto refuse = [](ErrorKind kind, std::string text) {
        return tl::unexpected(
            TransportFailure{Failure::Cause::final, Error(kind, std::move(text))});
    };
    auto handle = take_handle();
    if (!handle) return refuse(ErrorKind::exhausted, "no memory for a connection");
    auto current = request;
    for (int hop = 0; hop <= kMaxRedirects; ++hop) {
        Exchange exchange(handle.get(), current, options_, max_body, stop, sink);
        auto response = exchange.run();
        if (!response || !is_redirect(response->status)) {
            return_handle(std::move(handle));
            return response;
        }
        const auto target = exchange.redirect();
        const auto from = origin_of(current.url);
        const auto to = origin_of(target);
        if (!from || !to)
            return refuse(ErrorKind::unavailable, "a redirect leads nowhere: " + target);
        if (from->scheme == "https" && to->scheme != "https")
            return refuse(ErrorKind::forbidden,
                          "a redirect leads away from HTTPS to " + to->host + ", refused");
        if (*from != *to) current.authorization.clear();
        current.url = target;
    }
    return refuse(ErrorKind::unavailable,
                  fmt::format("more than {} redirects, given up", kMaxRedirects));
}

Result<Origin> origin_of(std::string_view url) {
    const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
    if (!parsed ||
        curl_url_set(parsed.get(), CURLUPART_URL, std::string(url).c_str(), 0) != CURLUE_OK)
        return fail(ErrorKind::invalid, "\"{}\" is no URL", url);
    const auto part = [&](CURLUPart which) {
        char* text = nullptr;
        curl_url_get(parsed.get(), which, &text, CURLU_DEFAULT_PORT);
        std::string result = text == nullptr ? "" : text;
        curl_free(text);
        return result;
    };
    auto host = lower(part(CURLUPART_HOST));
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    return Origin{part(CURLUPART_SCHEME), std::move(host), part(CURLUPART_PORT)};
}

bool is_loopback(std::string_view host) {
    if (host == "localhost" || host == "::1") return true;
    return host.starts_with("127.") &&
           host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace hako::oci
