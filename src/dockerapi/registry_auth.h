// The X-Registry-Auth header: base64url of {"username", "password", "serveraddress",
// "identitytoken", "registrytoken"}.
#pragma once

#include <string_view>

#include "base/result.h"
#include "images/image.h"

namespace hako::dockerapi {

// An empty header is no credentials. ErrorKind::invalid never repeats the header's content.
Result<images::RegistryAuth> parse_registry_auth(std::string_view header);
// Both alphabets of RFC 4648, with or without padding.
Result<std::string> decode_base64(std::string_view text);

}  // namespace hako::dockerapi
