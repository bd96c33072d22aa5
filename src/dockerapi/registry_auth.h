// Credentials as clients send them: {"username", "password", "serveraddress", "identitytoken",
// "registrytoken"}, as a body or, in base64url, as the X-Registry-Auth header.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "http/message.h"
#include "images/image.h"

namespace hako::dockerapi {

Result<images::RegistryAuth> parse_registry_auth(const Json& body);
// An empty header is no credentials. ErrorKind::invalid never repeats the header's content.
Result<images::RegistryAuth> parse_registry_auth_header(std::string_view header);
// The header of a request.
Result<images::RegistryAuth> registry_auth_of(const http::Request& request);

}  // namespace hako::dockerapi
