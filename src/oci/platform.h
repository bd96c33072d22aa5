// Platforms of images: "linux/amd64", "linux/arm64/v8" (OCI image-spec 1.1, image-index.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hako::oci {

struct Platform {
    std::string os = "linux";
    std::string architecture;  // as Go names it: amd64, arm64, arm, 386 ...
    std::string variant;       // v7, v8; empty where an architecture has one form only

    // "linux/arm64/v8", "arm64", "x86_64": normalized. ErrorKind::invalid.
    static Result<Platform> parse(std::string_view text);
    static Platform host();

    std::string text() const;
    bool operator==(const Platform&) const = default;
};

// Aliases become the usual name, implied variants are filled in or dropped (arm64/v8 -> arm64).
Platform normalize(Platform platform);

// How well what an image offers runs where `wanted` is asked for: 0 is exact, higher is worse,
// nullopt is not at all. The order is containerd's: the variant, older variants, then the 32-bit
// architecture that the processor also runs.
std::optional<int> platform_rank(const Platform& wanted, const Platform& offered);

}  // namespace hako::oci
