#include "oci/exchange.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <cstdio>

#include "base/fd.h"
#include "base/text.h"
#include "oci/insecure.h"

namespace hako::oci {
namespace {

constexpr std::size_t kMaxErrorBytes = 64U << 10U;
constexpr std::size_t kMaxHeaderBytes = 256U << 10U;
constexpr long kBufferBytes = 512L << 10U;

using Failure = TransportFailure;

}  // namespace

Exchange::Exchange(CURL* handle, const HttpRequest& request, const TransportOptions& options,
                   std::size_t max_body, std::stop_token stop, const BodySink& sink)
    : handle_(handle), request_(request), max_body_(max_body), stop_(std::move(stop)), sink_(sink) {
    if (auto origin = origin_of(request.url)) origin_ = *std::move(origin);
    else error_ = std::move(origin).error();
    curl_easy_reset(handle_);
    set_request();
    set_limits(options);
    set_proxies(options.proxies);
    set_tls(options);
    set_callbacks();
}

void Exchange::set_request() {
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_USERAGENT, "hako");
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    if (request_.method == "HEAD") set(CURLOPT_NOBODY, 1L);
    if (request_.body) {
        set(CURLOPT_UPLOAD, 1L);
        set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body->size));
        // Bodies go out at once: a second round trip costs more than a body that is not wanted.
        add_header("Expect:");
    }
    for (const auto& header : request_.headers) add_header(header);
    if (!request_.authorization.empty()) add_header("Authorization: " + request_.authorization);
    set(CURLOPT_HTTPHEADER, headers_);
}

void Exchange::set_limits(const TransportOptions& options) {
    const auto stall = request_.stall_timeout.value_or(options.stall_timeout);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_BUFFERSIZE, kBufferBytes);
    set(CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(stall.count()));
}

void Exchange::set_proxies(const Proxies& proxies) {
    const bool here = origin_ && is_loopback(origin_->host);
    const bool secure = origin_ && origin_->scheme == "https";
    // An empty name also keeps curl from reading the environment itself.
    set(CURLOPT_PROXY, (secure ? proxies.https : proxies.http).c_str());
    set(CURLOPT_NOPROXY, here ? "*" : proxies.exceptions.c_str());
}

void Exchange::set_tls(const TransportOptions& options) {
    if (error_ || origin_->scheme != "https") return;
    if (request_.is_probe) {
        // Reading the system's CAs takes longer than all the rest.
        tls_.any_certificate = true;
        set(CURLOPT_CONNECT_ONLY, 1L);
    } else if (options.tls) {
        auto files = options.tls(*origin_);
        if (!files) {
            error_ = std::move(files).error();
            return;
        }
        tls_ = *std::move(files);
    }
    if (tls_.any_certificate) {
        set(CURLOPT_SSL_VERIFYPEER, 0L);
        set(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (!tls_.certificate.empty()) {
        set(CURLOPT_SSLCERT, tls_.certificate.c_str());
        set(CURLOPT_SSLKEY, tls_.key.c_str());
    }
    if (tls_.authorities.empty()) return;
    // curl shares its store of CAs between connections: what is added for one host must not count
    // for the next.
    set(CURLOPT_CA_CACHE_TIMEOUT, 0L);
    set(CURLOPT_SSL_CTX_FUNCTION, &Exchange::on_tls);
    set(CURLOPT_SSL_CTX_DATA, this);
}

void Exchange::set_callbacks() {
    set(CURLOPT_ERRORBUFFER, error_text_);
    set(CURLOPT_HEADERFUNCTION, &Exchange::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Exchange::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_READFUNCTION, &Exchange::on_send);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_SEEKFUNCTION, &Exchange::on_seek);
    set(CURLOPT_SEEKDATA, this);
    set(CURLOPT_XFERINFOFUNCTION, &Exchange::on_progress);
    set(CURLOPT_XFERINFODATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
}

Exchanged Exchange::run() {
    const auto code = error_ ? CURLE_OK : curl_easy_perform(handle_);
    if (error_) return tl::unexpected(Failure{Failure::Cause::final, *std::move(error_)});
    if (code != CURLE_OK && !cut_short_) return tl::unexpected(failure(code));
    response_.status = status();
    response_.url = request_.url;
    return std::move(response_);
}

std::size_t Exchange::on_header(char* data, std::size_t, std::size_t size, void* self) {
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
        exchange.response_.headers.emplace(to_lower(trim(line.substr(0, colon))),
                                           trim(line.substr(colon + 1)));
    return size;
}

std::size_t Exchange::on_body(char* data, std::size_t, std::size_t size, void* self) {
    return static_cast<Exchange*>(self)->take({data, size}) ? size : 0;
}

bool Exchange::take(std::string_view data) {
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
        else cut_short_ = true;
        return false;
    }
    response_.body += data;
    return true;
}

std::size_t Exchange::on_send(char* buffer, std::size_t, std::size_t size, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    if (!exchange.request_.body) return 0;
    const std::span room(reinterpret_cast<std::byte*>(buffer), size);
    auto count = exchange.request_.body->read(exchange.sent_, room);
    if (!count) {
        exchange.error_ = std::move(count).error();
        return CURL_READFUNC_ABORT;
    }
    exchange.sent_ += *count;
    return *count;
}

int Exchange::on_seek(void* self, curl_off_t offset, int origin) {
    if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    static_cast<Exchange*>(self)->sent_ = static_cast<std::uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
}

int Exchange::on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Exchange*>(self)->stop_.stop_requested() ? 1 : 0;
}

// The host's CAs beside those of the system that are there already.
CURLcode Exchange::on_tls(CURL*, void* context, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    auto* store = SSL_CTX_get_cert_store(static_cast<SSL_CTX*>(context));
    for (const auto& file : exchange.tls_.authorities) {
        if (X509_STORE_load_locations(store, file.c_str(), nullptr) == 1) continue;
        exchange.error_ = Error(ErrorKind::invalid,
                                fmt::format("{} holds no certificate in PEM form", file.string()));
        return CURLE_SSL_CACERT_BADFILE;
    }
    return CURLE_OK;
}

int Exchange::status() const {
    long code = 0;
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &code);
    return static_cast<int>(code);
}

TransportFailure Exchange::failure(CURLcode code) const {
    const std::string text = error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code);
    const auto make = [&](Failure::Cause cause, std::string_view next_step,
                          ErrorKind kind = ErrorKind::unavailable) {
        return Failure{cause, Error(kind, fmt::format("{}; {}", text, next_step))};
    };
    constexpr std::string_view kLater = "try again later";
    switch (code) {
        case CURLE_ABORTED_BY_CALLBACK:
            return Failure{Failure::Cause::final, Error(ErrorKind::cancelled, "cancelled")};
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_CONNECT:
            return make(Failure::Cause::unreachable,
                        "check its name, the network, and whether a proxy is needed");
        case CURLE_COULDNT_RESOLVE_PROXY:
            return make(Failure::Cause::unreachable, "check HTTP_PROXY and HTTPS_PROXY");
        case CURLE_SSL_CONNECT_ERROR:
            return make(Failure::Cause::no_tls,
                        "if it speaks plain HTTP, name it in insecure-registries");
        case CURLE_PEER_FAILED_VERIFICATION:
            return make(Failure::Cause::final,
                        fmt::format("put the CA that signed its certificate into "
                                    "certs.d/{}:{}/ca.crt",
                                    origin_->host, origin_->port));
        case CURLE_SSL_CERTPROBLEM:
            return make(Failure::Cause::final,
                        fmt::format("check {} and its key", tls_.certificate.string()));
        case CURLE_OPERATION_TIMEDOUT:
            return make(Failure::Cause::broken, kLater, ErrorKind::deadline);
        case CURLE_PARTIAL_FILE:
        case CURLE_GOT_NOTHING:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM: return make(Failure::Cause::broken, kLater);
        default: return make(Failure::Cause::final, "is it the right server?");
    }
}

}  // namespace hako::oci
