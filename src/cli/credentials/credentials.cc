#include "cli/credentials/credentials.h"

#include "base/base64.h"

namespace hako::cli {
namespace {

std::string server_of_host(std::string_view host) {
    const bool is_hub = host.empty() || host == "docker.io" || host == "index.docker.io" ||
                        host == "registry-1.docker.io";
    return std::string(is_hub ? kHubServer : host);
}

}  // namespace

Json Credentials::to_json() const {
    Json json{{"username", username}, {"password", password}, {"serveraddress", server}};
    if (!identity_token.empty()) json["identitytoken"] = identity_token;
    if (!registry_token.empty()) json["registrytoken"] = registry_token;
    return json;
}

std::string Credentials::to_header() const { return encode_base64url(dump_json(to_json())); }

std::string server_of_image(std::string_view image) {
    const auto slash = image.find('/');
    if (slash == image.npos) return server_of_host({});
    const auto first = image.substr(0, slash);
    const bool is_host = first.find_first_of(".:") != first.npos || first == "localhost";
    return server_of_host(is_host ? first : std::string_view());
}

std::string server_of_argument(std::string_view text) {
    if (const auto scheme = text.find("://"); scheme != text.npos) text.remove_prefix(scheme + 3);
    return server_of_host(text.substr(0, text.find('/')));
}

}  // namespace hako::cli
