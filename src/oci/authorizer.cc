#include "oci/authorizer.h"

#include <algorithm>
#include <sstream>

#include "base/base64.h"
#include "base/json.h"
#include "http/url.h"
#include "oci/insecure.h"
#include "oci/registry_error.h"

namespace hako::oci {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxTokenBytes = 1U << 20U;
// What the specification says a token lives for when the server does not.
constexpr int kDefaultTokenSeconds = 60;
constexpr int kMaxTokenSeconds = 3600;
constexpr auto kNever = Clock::time_point::max();

// Bytes that would end a header line, or begin another.
bool is_header_safe(std::string_view text) {
    return std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

const Challenge* find_scheme(const std::vector<Challenge>& challenges, std::string_view scheme) {
    const auto found = std::ranges::find(challenges, scheme, &Challenge::scheme);
    return found == challenges.end() ? nullptr : &*found;
}

// Own scopes and those of the challenge, each once.
std::set<std::string> all_scopes(const Access& access, const Challenge& challenge) {
    auto scopes = access.scopes;
    std::istringstream words(challenge.parameter("scope"));
    for (std::string scope; words >> scope;) scopes.insert(scope);
    return scopes;
}

}  // namespace

std::string Authorizer::basic() const {
    return "Basic " + encode_base64(auth_.username + ":" + auth_.password);
}

std::string Authorizer::current() const {
    if (!auth_.registry_token.empty()) return "Bearer " + auth_.registry_token;
    auto state = state_.lock();
    return Clock::now() < state->expires ? state->header : std::string();
}

Result<bool> Authorizer::answer(const HttpResponse& response, const Origin& registry,
                                const std::string& used, std::stop_token stop) {
    if (!auth_.registry_token.empty()) return false;
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

HttpRequest Authorizer::token_request(const Challenge& challenge) const {
    const auto scopes = all_scopes(access_, challenge);
    http::Query query{{"service", challenge.parameter("service")}};
    HttpRequest request{.url = challenge.parameter("realm")};
    if (!auth_.identity_token.empty()) {
        query.add("grant_type", "refresh_token");
        query.add("client_id", "hako");
        query.add("refresh_token", auth_.identity_token);
        if (!scopes.empty()) query.add("scope", fmt::format("{}", fmt::join(scopes, " ")));
        request.method = "POST";
        request.headers = {"Content-Type: application/x-www-form-urlencoded"};
        request.body = HttpBody::of(query.encode());
        request.secret_body = true;
        return request;
    }
    for (const auto& scope : scopes) query.add("scope", scope);
    if (!auth_.username.empty()) {
        query.add("account", auth_.username);
        if (access_.lasting) {
            query.add("client_id", "hako");
            query.add("offline_token", "true");
        }
        request.authorization = basic();
    }
    request.url += (request.url.find('?') == std::string::npos ? '?' : '&') + query.encode();
    return request;
}

Result<Authorizer::State> Authorizer::fetch_token(const Challenge& challenge,
                                                  const Origin& registry, std::stop_token stop) {
    const auto realm = challenge.parameter("realm");
    HAKO_TRY(const auto origin,
             with_context(origin_of(realm), "registry names no usable token server"));
    // Only a registry that speaks plain HTTP itself may send us to it, on its own host.
    const bool same_host =
        origin.host == registry.host || (is_loopback(origin.host) && is_loopback(registry.host));
    const bool allowed = origin.scheme == "https" ||
                         (origin.scheme == "http" && registry.scheme == "http" && same_host);
    if (!allowed)
        return fail(ErrorKind::forbidden,
                    "registry {} names the token server {}, which is not HTTPS; refused",
                    registry.host, realm);

    const auto request = token_request(challenge);
    const auto response = transport_.exchange(request, kMaxTokenBytes, std::move(stop));
    if (!response)
        return fail(response.error().error.context(
            fmt::format("token server {} of registry {}", origin.host, registry.host)));
    if (response->status == 401 || response->status == 403)
        return fail(ErrorKind::unauthorized,
                    "token server {} of registry {} answers {} ({}); log in again with the right "
                    "user name and password",
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
    HAKO_TRY(auto identity,
             with_context(json_field_or<std::string>(document, "refresh_token", ""), context));
    return State{"Bearer " + token, Clock::now() + std::chrono::seconds(life), std::move(identity)};
}

}  // namespace hako::oci
