#include "oci/platform.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace hako::oci {
namespace {

constexpr int kForeignWidth = 100;  // ranks behind all variants of one architecture

bool is_word(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    });
}

// "v7" is 7; what an architecture implies when it names none.
std::optional<int> version_of(const Platform& platform) {
    if (platform.variant.empty()) {
        if (platform.architecture == "arm") return 7;
        if (platform.architecture == "arm64") return 8;
        return 1;
    }
    if (platform.variant.front() != 'v') return std::nullopt;
    int number = 0;
    const char* end = platform.variant.data() + platform.variant.size();
    const auto [stop, error] = std::from_chars(platform.variant.data() + 1, end, number);
    if (error != std::errc() || stop != end) return std::nullopt;
    return number;
}

}  // namespace

Platform normalize(Platform platform) {
    platform.os = to_lower(platform.os);
    platform.architecture = to_lower(platform.architecture);
    platform.variant = to_lower(platform.variant);
    auto& architecture = platform.architecture;
    auto& variant = platform.variant;
    if (architecture == "x86_64" || architecture == "x86-64") architecture = "amd64";
    if (architecture == "i386" || architecture == "i686") architecture = "386";
    if (architecture == "aarch64") architecture = "arm64";
    if (architecture == "armhf") architecture = "arm", variant = "v7";
    if (architecture == "armel") architecture = "arm", variant = "v6";
    if (architecture == "arm" && !variant.empty() && variant.front() != 'v') variant.insert(0, "v");
    if (architecture == "arm" && variant.empty()) variant = "v7";
    if (architecture == "arm64" && (variant == "8" || variant == "v8")) variant.clear();
    if (architecture == "amd64" && variant == "v1") variant.clear();
    return platform;
}

Result<Platform> Platform::parse(std::string_view text) {
    const std::string lower = to_lower(text);
    const auto parts = split(lower, '/');
    if (parts.size() > 3 || !std::ranges::all_of(parts, is_word))
        return fail(ErrorKind::invalid,
                    "\"{}\" is not a platform: os/architecture, as in linux/amd64, is expected",
                    text);
    Platform platform;
    if (parts.size() == 1) {
        if (parts[0] == "linux") return host();
        platform.architecture = parts[0];
    } else {
        platform.os = parts[0];
        platform.architecture = parts[1];
        if (parts.size() == 3) platform.variant = parts[2];
    }
    return normalize(std::move(platform));
}

Platform Platform::host() {
#if defined(__x86_64__)
    return {"linux", "amd64", ""};
#elif defined(__aarch64__)
    return {"linux", "arm64", ""};
#else
#error "hako runs on amd64 and arm64 hosts"
#endif
}

std::string Platform::text() const {
    return variant.empty() ? os + "/" + architecture : os + "/" + architecture + "/" + variant;
}

std::optional<int> platform_rank(const Platform& wanted, const Platform& offered) {
    const auto want = normalize(wanted);
    const auto offer = normalize(offered);
    if (want == offer) return 0;
    if (want.os != offer.os) return std::nullopt;
    const auto want_version = version_of(want);
    const auto offer_version = version_of(offer);
    if (!want_version || !offer_version) return std::nullopt;
    if (want.architecture == offer.architecture) {
        if (*offer_version > *want_version) return std::nullopt;
        return *want_version - *offer_version;
    }
    // Processors of 64 bits run the code of their 32-bit kin, newest first, after all of their own.
    if (want.architecture == "amd64" && offer.architecture == "386") return kForeignWidth;
    if (want.architecture == "arm64" && offer.architecture == "arm" && *offer_version <= 8)
        return kForeignWidth + 8 - *offer_version;
    return std::nullopt;
}

}  // namespace hako::oci
