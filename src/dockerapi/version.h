// API versions: "/v1.43/containers/json" asks for 1.43, a path without one for the newest.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace hako::dockerapi {

struct ApiVersion {
    int major = 1;
    int minor = 0;

    auto operator<=>(const ApiVersion&) const = default;
    std::string text() const { return fmt::format("{}.{}", major, minor); }
};

constexpr ApiVersion kMinVersion{1, 24};
constexpr ApiVersion kMaxVersion{1, 50};

struct VersionedPath {
    std::optional<ApiVersion> version;
    std::string path;  // without it
};
// A first segment that only looks like a version is part of the path.
VersionedPath split_version(std::string_view path);
// ErrorKind::invalid names the client's version and ours.
Result<void> check_version(ApiVersion version);
// What the client asked for, or the newest.
ApiVersion version_of(const http::Request& request);

}  // namespace hako::dockerapi
