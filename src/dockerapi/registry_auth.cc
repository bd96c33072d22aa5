#include "dockerapi/registry_auth.h"

#include <optional>

#include "base/json.h"
#include "dockerapi/container_request.h"

namespace hako::dockerapi {
namespace {

std::optional<unsigned> digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '-' || c == '+') return 62;
    if (c == '_' || c == '/') return 63;
    return std::nullopt;
}

}  // namespace

Result<std::string> decode_base64(std::string_view text) {
    while (text.ends_with('=')) text.remove_suffix(1);
    std::string decoded;
    unsigned bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const auto value = digit(c);
        if (!value) return fail(ErrorKind::invalid, "the text is not base64");
        bits = (bits << 6U | *value) & 0xffffU;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        decoded += static_cast<char>(bits >> count);
    }
    if (count == 6) return fail(ErrorKind::invalid, "the text is not base64");
    return decoded;
}

Result<images::RegistryAuth> parse_registry_auth(std::string_view header) {
    images::RegistryAuth auth;
    if (header.empty()) return auth;
    constexpr std::string_view kSentence = "the X-Registry-Auth header is malformed";
    // Not the parsers' own errors: they quote what they read.
    const auto text = decode_base64(header);
    if (text && text->empty()) return auth;
    const auto json = text ? parse_json(*text) : Result<Json>(fail(text.error()));
    if (!json) return fail(ErrorKind::invalid, "{}", kSentence);
    const auto read = [&]() -> Result<void> {
        HAKO_CHECK(read_field(*json, "username", auth.username));
        HAKO_CHECK(read_field(*json, "password", auth.password));
        HAKO_CHECK(read_field(*json, "identitytoken", auth.identity_token));
        return read_field(*json, "serveraddress", auth.server);
    };
    HAKO_CHECK(with_context(read(), kSentence));
    return auth;
}

}  // namespace hako::dockerapi
