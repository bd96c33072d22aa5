#include "oci/digest.h"

#include <algorithm>

#include "base/sha256.h"

namespace hako::oci {

bool is_lower_hex(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Result<Digest> Digest::parse(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos)
        return fail(ErrorKind::invalid, "invalid digest \"{}\": sha256:<64 digits> is expected",
                    text.substr(0, 100));
    const auto algorithm = text.substr(0, colon);
    const auto hex = text.substr(colon + 1);
    if (algorithm != "sha256")
        return fail(ErrorKind::invalid, "unsupported digest algorithm \"{}\": only sha256 is known",
                    algorithm.substr(0, 100));
    if (hex.size() != 64) return fail(ErrorKind::invalid, "invalid checksum digest length");
    if (!is_lower_hex(hex)) return fail(ErrorKind::invalid, "invalid checksum digest format");
    return Digest{std::string(hex)};
}

Digest Digest::of(std::span<const std::byte> data) { return Digest{sha256_hex(data)}; }

}  // namespace hako::oci
