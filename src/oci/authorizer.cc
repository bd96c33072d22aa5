#include "oci/authorizer.h"

#include <curl/curl.h>

#include <algorithm>

#include "base/json.h"
#include "oci/challenge.h"
#include "oci/registry_error.h"

namespace hako::oci {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxTokenBytes = 1U << 20U;
// What the specification says a token lives for when the server does not.
constexpr int kDefaultTokenSeconds = 60;
constexpr int kMaxTokenSeconds = 3600;
constexpr auto kNever = Clock::time_point::max();

std::string base64(std::string_view text) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string result;
    for (std::size_t i = 0; i < text.size(); i += 3) {
        const auto piece = text.substr(i, 3);
        unsigned bits = 0;
        for (std::size_t j = 0; j < 3; ++j)
            bits = bits << 8U | (j < piece.size() ? static_cast<unsigned char>(piece[j]) : 0U);
        for (std::size_t j = 0; j < 4; ++j)
            result += j <= piece.size() ? kDigits[bits >> (18 - 6 * j) & 63U] : '=';
    }
    return result;
}

std::string escape(const std::string& text) {
    char* escaped = curl_easy_escape(nullptr, text.c_str(), static_cast<int>(text.size()));
    std::string result = escaped == nullptr ? "" : escaped;
    curl_free(escaped);
    return result;
}

// Bytes that would end a header line, or begin another.
bool is_header_safe(std::string_view text) {
    return std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

const Challenge* find_scheme(const std::vector<Challenge>& challenges, std::string_view scheme) {
    const auto found = std::ranges::find(challenges, scheme, &Challenge::scheme);
    return found == challenges.end() ? nullptr : &*found;
}

}  // namespace

std::string Authorizer::basic() const {
    return "Basic " + base64(auth_.username + ":" + auth_.password);
}

std::string Authorizer::current() const {
    auto state = state_.lock();
    return Clock::now() < state->expires ? state->header : std::string();
}

Result<bool> Authorizer::answer(const HttpResponse& response, const Origin& registry,
                                const std::string& used, std::stop_token stop) {
    // Held while a token is fetched, so that parallel requests fetch one token.
    auto state = state_.lock();
    if (!state->header.empty() && state->header != used && Clock::now() < state->expires)
        return true;
    std::vector<Challenge> challenges;
    const auto [begin, end] = response.headers.equal_range("www-authenticate");
    for (auto header = begin; header != end; ++header)
        std::ranges::move(parse_challenges(header->second), std::back_inserter(challenges));

    if (const auto* bearer = find_scheme(challenges, "bearer")) {
        HAKO_TRY(*state, fetch_token(*bearer, registry, std::move(stop)));
        return true;
    }
    const bool can_try_basic =
        find_scheme(challenges, "basic") != nullptr && !auth_.username.empty();
    if (!can_try_basic || used == basic()) return false;
    *state = {basic(), kNever};
    return true;
}

Result<Authorizer::State> Authorizer::fetch_token(const Challenge& challenge,
                                                  const Origin& registry, std::stop_token stop) {
    const auto realm = challenge.parameter("realm");
    HAKO_TRY(const auto origin,
             with_context(origin_of(realm), "registry names no usable token server"));
    // Only a registry on this host may send us to plain HTTP, and there only to this host.
    const bool allowed =
        origin.scheme == "https" ||
        (origin.scheme == "http" && is_loopback(origin.host) && is_loopback(registry.host));
    if (!allowed)
        return fail(ErrorKind::forbidden,
                    "registry {} names the token server {}, which is not HTTPS; refused",
                    registry.host, realm);

    const auto service = challenge.parameter("service");
    auto scope = challenge.parameter("scope");
    if (scope.empty()) scope = "repository:" + repository_ + ":pull";
    HttpRequest request;
    request.url = realm;
    if (!auth_.identity_token.empty()) {
        request.form = "grant_type=refresh_token&client_id=hako&service=" + escape(service) +
                       "&scope=" + escape(scope) + "&refresh_token=" + escape(auth_.identity_token);
    } else {
        request.url += realm.find('?') == std::string::npos ? '?' : '&';
        request.url += "service=" + escape(service) + "&scope=" + escape(scope);
        if (!auth_.username.empty()) {
            request.url += "&account=" + escape(auth_.username);
            request.authorization = basic();
        }
    }
    const auto response = transport_.exchange(request, kMaxTokenBytes, std::move(stop));
    if (!response) return fail(response.error().error.context("token server " + origin.host));
    if (response->status == 401 || response->status == 403)
        return fail(ErrorKind::unauthorized,
                    "token server {} of registry {} answers {} ({}); check the user name and "
                    "password",
                    origin.host, registry.host, response->status, registry_error_text(*response));
    if (response->status != 200)
        return fail(ErrorKind::unavailable, "token server {} of registry {} answers {}; try later",
                    origin.host, registry.host, response->status);

    const auto context = "answer of token server " + origin.host;
    HAKO_TRY(const auto document, with_context(parse_json(response->body), context));
    HAKO_TRY(auto token, with_context(json_field_or<std::string>(document, "token", ""), context));
    if (token.empty()) {
        HAKO_TRY(token,
                 with_context(json_field_or<std::string>(document, "access_token", ""), context));
    }
    if (token.empty() || !is_header_safe(token))
        return fail(ErrorKind::unavailable, "{} holds no usable token", context);
    const auto seconds = json_field_or<int>(document, "expires_in", kDefaultTokenSeconds);
    // A little less, so that it does not run out on its way.
    const auto life =
        std::clamp(seconds.value_or(kDefaultTokenSeconds), kDefaultTokenSeconds, kMaxTokenSeconds) *
        9 / 10;
    return State{"Bearer " + token, Clock::now() + std::chrono::seconds(life)};
}

}  // namespace hako::oci
