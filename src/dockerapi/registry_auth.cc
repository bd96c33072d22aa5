#include "dockerapi/registry_auth.h"

#include "base/base64.h"
#include "base/json.h"
#include "dockerapi/container_request.h"

namespace hako::dockerapi {

Result<images::RegistryAuth> parse_registry_auth(const Json& body) {
    images::RegistryAuth auth;
    HAKO_CHECK(read_field(body, "username", auth.username));
    HAKO_CHECK(read_field(body, "password", auth.password));
    HAKO_CHECK(read_field(body, "identitytoken", auth.identity_token));
    HAKO_CHECK(read_field(body, "registrytoken", auth.registry_token));
    HAKO_CHECK(read_field(body, "serveraddress", auth.server));
    return auth;
}

Result<images::RegistryAuth> parse_registry_auth_header(std::string_view header) {
    constexpr std::string_view kSentence = "the X-Registry-Auth header is malformed";
    // Not the parsers' own errors: they quote what they read.
    const auto text = decode_base64(header);
    if (text && text->empty()) return images::RegistryAuth();
    const auto json = text ? parse_json(*text) : Result<Json>(fail(text.error()));
    if (!json) return fail(ErrorKind::invalid, "{}", kSentence);
    return with_context(parse_registry_auth(*json), kSentence);
}

Result<images::RegistryAuth> registry_auth_of(const http::Request& request) {
    return parse_registry_auth_header(request.headers.find("X-Registry-Auth").value_or(""));
}

}  // namespace hako::dockerapi
