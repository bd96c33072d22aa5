// The Docker Engine API as the commands use it: negotiated version, JSON, errors in docker's words.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "http/client.h"
#include "http/url.h"

namespace hako::cli {

// The newest API version that we speak.
constexpr std::string_view kApiVersion = "1.50";

// Any thread may use it. Errors of the daemon begin with "Error response from daemon: "; a daemon
// that cannot be reached is ErrorKind::unavailable.
class Api {
public:
    // Asks the daemon for its version and settles on the lower of both.
    static Result<Api> connect(http::Endpoint endpoint);

    const http::Endpoint& endpoint() const { return client_.endpoint(); }
    const std::string& version() const { return version_; }  // "1.50"
    // Whether the settled version is at least this one: "1.42".
    bool at_least(std::string_view version) const;

    Result<Json> get(std::string_view path, const http::Query& query = {}) const;
    // The answer's JSON; null when it has no body. not_modified for 304.
    Result<Json> post(std::string_view path, const http::Query& query = {},
                      const Json& body = nullptr) const;
    Result<Json> remove(std::string_view path, const http::Query& query = {}) const;

    // Answers that come bit by bit. `body` is sent chunked while it is read.
    Result<std::unique_ptr<http::ClientStream>> stream(std::string_view method,
                                                       std::string_view path,
                                                       const http::Query& query = {},
                                                       Reader* body = nullptr,
                                                       const http::Fields& headers = {}) const;
    Result<http::Upgraded> upgrade(std::string_view path, const http::Query& query = {},
                                   const Json& body = nullptr) const;

    // hako's own part of the API, below /hako/v1.
    Result<Json> hako_get(std::string_view path, const http::Query& query = {},
                          const http::Fields& headers = {}) const;
    Result<std::unique_ptr<http::ClientStream>> hako_download(std::string_view path,
                                                              const http::Query& query) const;
    Result<void> hako_post(std::string_view path) const;
    // A POST with an answer.
    Result<Json> hako_call(std::string_view path, const http::Query& query) const;
    Result<void> hako_remove(std::string_view path) const;
    Result<void> hako_upload(std::string_view path, const http::Query& query, Reader& body) const;

private:
    Api(http::Client client, std::string version)
        : client_(std::move(client)), version_(std::move(version)) {}
    std::string target(std::string_view path, const http::Query& query) const;
    Result<Json> call(std::string_view method, std::string target, const Json& body,
                      const http::Fields& headers = {}) const;

    http::Client client_;
    std::string version_;
};

// "1.9" is older than "1.41": negative, 0 or positive.
int compare_versions(std::string_view a, std::string_view b);

}  // namespace hako::cli
