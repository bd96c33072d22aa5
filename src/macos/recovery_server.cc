#include "macos/recovery_server.h"

#include "base/text.h"
#include "macos/chunklist.h"

namespace hako::macos {
namespace {

constexpr std::size_t kMaxAnswer = 64U << 10U;
constexpr std::string_view kAgent = "User-Agent: InternetRecovery/1.0";
constexpr std::size_t kShortKey = 16;
constexpr std::size_t kLongKey = 64;

std::string hex_digits(std::size_t count, const Draw& draw) {
    std::string text;
    while (text.size() < count) text += "0123456789ABCDEF"[draw(16)];
    return text;
}

Result<oci::HttpResponse> answer(oci::Exchanged exchanged, std::string_view what) {
    if (!exchanged) return fail(exchanged.error().error.context(what));
    HAKO_CHECK(RecoveryServer::check_status(exchanged->status, what));
    return *std::move(exchanged);
}

}  // namespace

Result<RecoveryOffer> parse_offer(std::string_view answer) {
    RecoveryOffer offer;
    std::string image_hash;
    std::string chunklist_hash;
    const std::pair<std::string_view, std::string*> kFields[] = {
        {"AP", &offer.product},        {"AU", &offer.image_url},     {"AH", &image_hash},
        {"AT", &offer.image_token},    {"CU", &offer.chunklist_url}, {"CH", &chunklist_hash},
        {"CT", &offer.chunklist_token}};
    while (!answer.empty()) {
        const auto line = answer.substr(0, answer.find('\n'));
        answer.remove_prefix(std::min(line.size() + 1, answer.size()));
        const auto colon = line.find(": ");
        if (colon == std::string_view::npos) continue;
        for (const auto& [name, value] : kFields)
            if (line.substr(0, colon) == name) *value = trim(line.substr(colon + 2));
    }
    for (const auto& [name, value] : kFields)
        if (value->empty())
            return fail(ErrorKind::unavailable,
                        "the recovery server's answer has no {}: is it the right server?", name);
    return offer;
}

std::string offer_request(const Version& version, const Draw& draw) {
    return fmt::format("cid={}\nsn={}\nbid={}\nk={}\nfg={}\nos={}", hex_digits(kShortKey, draw),
                       version.mlb, version.board_id, hex_digits(kLongKey, draw),
                       hex_digits(kLongKey, draw), version.os);
}

oci::HttpRequest RecoveryServer::asset_request(const std::string& url, const std::string& token) {
    return {.url = url, .headers = {std::string(kAgent), "Cookie: AssetToken=" + token}};
}

Result<void> RecoveryServer::check_status(int status, std::string_view what) {
    if (status == 200 || status == 206) return {};
    if (status == 403)
        return fail(ErrorKind::forbidden,
                    "{}: the server refuses this network (403): try again later, from another "
                    "network or through a proxy (http_proxy), or fetch on another machine and "
                    "`hako macos import` it here",
                    what);
    return fail(kind_of_http_status(status), "{}: the server answers with status {}", what, status);
}

Result<std::string> RecoveryServer::open_session(const std::stop_token& stop) {
    HAKO_TRY(const auto response,
             answer(transport_.exchange(
                        {.url = url_ + "/", .headers = {std::string(kAgent), "Connection: close"}},
                        kMaxAnswer, stop),
                    "cannot open a session with the recovery server"));
    const auto [first, last] = response.headers.equal_range("set-cookie");
    for (auto cookie = first; cookie != last; ++cookie)
        if (cookie->second.starts_with("session="))
            return cookie->second.substr(0, cookie->second.find(';'));
    return fail(ErrorKind::unavailable,
                "the recovery server gave no session: is {} the right server?", url_);
}

Result<RecoveryOffer> RecoveryServer::offer(const Version& version, const std::stop_token& stop) {
    HAKO_TRY(const auto session, open_session(stop));
    HAKO_TRY(
        const auto response,
        answer(transport_.exchange({.method = "POST",
                                    .url = url_ + "/InstallationPayload/RecoveryImage",
                                    .headers = {std::string(kAgent), "Connection: close",
                                                "Content-Type: text/plain", "Cookie: " + session},
                                    .body = oci::HttpBody::of(offer_request(version, draw_))},
                                   kMaxAnswer, stop),
               fmt::format("cannot ask for macOS {}", version.number)));
    return parse_offer(response.body);
}

Result<std::string> RecoveryServer::fetch(const std::string& url, const std::string& token,
                                          const std::stop_token& stop) {
    HAKO_TRY(auto response,
             answer(transport_.exchange(asset_request(url, token), kMaxChunklist, stop),
                    "cannot fetch the chunklist"));
    return std::move(response.body);
}

}  // namespace hako::macos
