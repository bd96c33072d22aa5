// Content digests (OCI image-spec 1.1, descriptor.md): "sha256:" and 64 lower-case hexadecimal
// digits. SHA-256 is the one algorithm that registries use; others are refused by name.
#pragma once

#include <compare>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hako::oci {

struct Digest {
    std::string hex;  // 64 digits; empty only in a default-made value

    // "sha256:<hex>". ErrorKind::invalid, also for upper-case digits and other algorithms.
    static Result<Digest> parse(std::string_view text);
    static Digest of(std::span<const std::byte> data);

    std::string text() const { return "sha256:" + hex; }
    // The 12 digits that people see.
    std::string short_hex() const { return hex.substr(0, 12); }

    auto operator<=>(const Digest&) const = default;
};

bool is_lower_hex(std::string_view text);

}  // namespace hako::oci
