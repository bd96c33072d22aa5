#include "cli/api.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace hako::cli {
namespace {

constexpr std::string_view kOwnApi = "/hako/v1";

// Error statuses came from the daemon; `unavailable` means that there was nobody to answer.
template <typename T>
Result<T> in_dockers_words(Result<T> result) {
    if (result || result.error().kind() == ErrorKind::unavailable ||
        result.error().kind() == ErrorKind::cancelled)
        return result;
    return with_context(std::move(result), "Error response from daemon");
}

std::pair<int, int> numbers(std::string_view version) {
    std::pair<int, int> parts{0, 0};
    const char* end = version.data() + version.size();
    const auto major = std::from_chars(version.data(), end, parts.first);
    if (major.ptr != end) std::from_chars(major.ptr + 1, end, parts.second);
    return parts;
}

}  // namespace

int compare_versions(std::string_view a, std::string_view b) {
    const auto left = numbers(a);
    const auto right = numbers(b);
    return left < right ? -1 : static_cast<int>(right < left);
}

Result<Api> Api::connect(http::Endpoint endpoint) {
    http::Client client(std::move(endpoint));
    HAKO_TRY(auto pong, client.call({.target = "/_ping"}));
    const auto theirs = pong.headers.find("Api-Version");
    const bool older = theirs && compare_versions(*theirs, kApiVersion) < 0;
    return Api(std::move(client), std::string(older ? *theirs : kApiVersion));
}

bool Api::at_least(std::string_view version) const {
    return compare_versions(version_, version) >= 0;
}

std::string Api::target(std::string_view path, const http::Query& query) const {
    return http::make_target(fmt::format("/v{}{}", version_, path), query);
}

Result<Json> Api::call(std::string_view method, std::string target, const Json& body,
                       const http::Fields& headers) const {
    http::ClientRequest request{
        .method = std::string(method), .target = std::move(target), .headers = headers};
    if (!body.is_null()) request.body = dump_json(body);
    HAKO_TRY(const auto answer, in_dockers_words(client_.call(request)));
    if (answer.body.empty()) return Json();
    auto parsed = parse_json(answer.body, {.max_bytes = std::size_t{64} << 20U});
    if (!parsed) return with_context(std::move(parsed), "the daemon's answer is not understood");
    return parsed;
}

Result<Json> Api::get(std::string_view path, const http::Query& query) const {
    return call("GET", target(path, query), nullptr);
}
Result<Json> Api::post(std::string_view path, const http::Query& query, const Json& body) const {
    return call("POST", target(path, query), body);
}
Result<Json> Api::remove(std::string_view path, const http::Query& query) const {
    return call("DELETE", target(path, query), nullptr);
}

Result<std::unique_ptr<http::ClientStream>> Api::stream(std::string_view method,
                                                        std::string_view path,
                                                        const http::Query& query, Reader* body,
                                                        const http::Fields& headers) const {
    http::ClientRequest request{
        .method = std::string(method), .target = target(path, query), .headers = headers};
    request.body_stream = body;
    if (body != nullptr) request.headers.add("Content-Type", "application/x-tar");
    return in_dockers_words(client_.stream(request));
}

Result<http::Upgraded> Api::upgrade(std::string_view path, const http::Query& query,
                                    const Json& body) const {
    http::ClientRequest request{.method = "POST", .target = target(path, query)};
    if (!body.is_null()) request.body = dump_json(body);
    return in_dockers_words(client_.upgrade(request));
}

Result<Json> Api::hako_get(std::string_view path, const http::Query& query,
                           const http::Fields& headers) const {
    return call("GET", http::make_target(fmt::format("{}{}", kOwnApi, path), query), nullptr,
                headers);
}

Result<std::unique_ptr<http::ClientStream>> Api::hako_download(std::string_view path,
                                                               const http::Query& query) const {
    return in_dockers_words(
        client_.stream({.target = http::make_target(fmt::format("{}{}", kOwnApi, path), query)}));
}

Result<void> Api::hako_post(std::string_view path) const {
    HAKO_CHECK(hako_call(path, {}));
    return {};
}

Result<Json> Api::hako_call(std::string_view path, const http::Query& query) const {
    return call("POST", http::make_target(fmt::format("{}{}", kOwnApi, path), query), nullptr);
}

Result<void> Api::hako_remove(std::string_view path) const {
    HAKO_CHECK(call("DELETE", http::make_target(fmt::format("{}{}", kOwnApi, path), {}), nullptr));
    return {};
}

Result<void> Api::hako_upload(std::string_view path, const http::Query& query, Reader& body) const {
    http::ClientRequest request{
        .method = "POST",
        .target = http::make_target(fmt::format("{}{}", kOwnApi, path), query),
        .headers = {{"Content-Type", "application/octet-stream"}},
        .body_stream = &body};
    HAKO_CHECK(in_dockers_words(client_.call(request)));
    return {};
}

}  // namespace hako::cli
