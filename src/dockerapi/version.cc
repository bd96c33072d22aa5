#include "dockerapi/version.h"

#include <charconv>

namespace hako::dockerapi {
namespace {

// A decimal number of at most four digits at the beginning; it is taken off.
std::optional<int> take_number(std::string_view& text) {
    int number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + std::min<std::size_t>(text.size(), 4), number);
    if (error != std::errc() || number < 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

}  // namespace

VersionedPath split_version(std::string_view path) {
    std::string_view rest = path;
    if (rest.starts_with("/v")) {
        rest.remove_prefix(2);
        const auto major = take_number(rest);
        if (major && rest.starts_with('.')) {
            rest.remove_prefix(1);
            const auto minor = take_number(rest);
            if (minor && rest.starts_with('/'))
                return {ApiVersion{*major, *minor}, std::string(rest)};
        }
    }
    return {std::nullopt, std::string(path)};
}

Result<void> check_version(ApiVersion version) {
    if (version > kMaxVersion)
        return fail(ErrorKind::invalid,
                    "client version {} is too new. Maximum supported API version is {}",
                    version.text(), kMaxVersion.text());
    if (version < kMinVersion)
        return fail(ErrorKind::invalid,
                    "client version {} is too old. Minimum supported API version is {}, please "
                    "upgrade your client to a newer version",
                    version.text(), kMinVersion.text());
    return {};
}

ApiVersion version_of(const http::Request& request) {
    return split_version(request.target).version.value_or(kMaxVersion);
}

}  // namespace hako::dockerapi
