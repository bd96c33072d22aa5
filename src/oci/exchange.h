// One request and its response on a curl handle, without redirects.
#pragma once

#include <curl/curl.h>

#include <optional>
#include <stop_token>
#include <string>

#include "oci/transport.h"

namespace hako::oci {

// Used once, by one thread. What it is given must outlive it.
class Exchange {
public:
    Exchange(CURL* handle, const HttpRequest& request, const TransportOptions& options,
             std::size_t max_body, std::stop_token stop, const BodySink& sink);
    ~Exchange() { curl_slist_free_all(headers_); }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    Exchanged run();

private:
    template <typename T>
    void set(CURLoption option, T value) {
        curl_easy_setopt(handle_, option, value);
    }
    void set_request();
    void set_limits(const TransportOptions& options);
    void set_proxies(const Proxies& proxies);
    void set_tls(const TransportOptions& options);
    void set_callbacks();
    void add_header(const std::string& line) {
        headers_ = curl_slist_append(headers_, line.c_str());
    }

    static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self);
    static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self);
    static std::size_t on_send(char* buffer, std::size_t, std::size_t size, void* self);
    static int on_seek(void* self, curl_off_t offset, int origin);
    static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
    static CURLcode on_tls(CURL*, void* context, void* self);

    bool take(std::string_view data);
    int status() const;
    TransportFailure failure(CURLcode code) const;

    CURL* handle_;
    const HttpRequest& request_;
    std::optional<Origin> origin_;
    std::size_t max_body_;
    std::stop_token stop_;
    const BodySink& sink_;
    TlsFiles tls_;
    curl_slist* headers_ = nullptr;
    char error_text_[CURL_ERROR_SIZE] = {};
    HttpResponse response_;
    std::size_t header_bytes_ = 0;
    std::uint64_t sent_ = 0;
    bool cut_short_ = false;  // the body of an error went on and on
    std::optional<Error> error_;
};

}  // namespace hako::oci
