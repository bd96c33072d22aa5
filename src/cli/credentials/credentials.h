// Who the user is at registries. Servers are named as docker names them: "host[:port]", and Docker
// Hub by kHubServer.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace hako::cli {

constexpr std::string_view kHubServer = "https://index.docker.io/v1/";

struct Credentials {
    std::string server = {};
    std::string username = {};
    std::string password = {};
    std::string identity_token = {};  // instead of the password
    std::string registry_token = {};  // instead of all that

    bool empty() const {
        return username.empty() && identity_token.empty() && registry_token.empty();
    }
    // The body of POST /auth.
    Json to_json() const;
    // The value of X-Registry-Auth.
    std::string to_header() const;
};

// The server of the registry that an image is in: "busybox" is Docker Hub's.
std::string server_of_image(std::string_view image);
// The server that a user means: without scheme and path; nothing, or a name of Docker Hub, is it.
std::string server_of_argument(std::string_view text);

}  // namespace hako::cli
