// What this program is.
#pragma once

#include <string_view>

namespace hako::cli {

constexpr std::string_view kVersion = HAKO_VERSION;
#if defined(__x86_64__)
constexpr std::string_view kPlatform = "linux/amd64";
#elif defined(__aarch64__)
constexpr std::string_view kPlatform = "linux/arm64";
#else
constexpr std::string_view kPlatform = "linux/unknown";
#endif

}  // namespace hako::cli
