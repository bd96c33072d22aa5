// Base64 (RFC 4648).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hako {

std::string encode_base64(std::string_view bytes);
// With the alphabet that needs no escapes in headers and URLs; padded all the same.
std::string encode_base64url(std::string_view bytes);
// Both alphabets, with or without padding. ErrorKind::invalid never repeats the text.
Result<std::string> decode_base64(std::string_view text);

}  // namespace hako
