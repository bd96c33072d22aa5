#include "cli/detach_keys.h"

#include <utility>

namespace hako::cli {
namespace {

Result<std::byte> parse_key(std::string_view key) {
    constexpr std::string_view kControl = "ctrl-";
    if (key.size() == 1) return static_cast<std::byte>(key.front());
    if (key.size() == kControl.size() + 1 && key.starts_with(kControl)) {
        const char c = key.back();
        if (c >= 'a' && c <= 'z') return static_cast<std::byte>(c - 'a' + 1);
        if (c >= 'A' && c <= 'Z') return static_cast<std::byte>(c - 'A' + 1);
        if (std::string_view("@[\\]^_").find(c) != std::string_view::npos)
            return static_cast<std::byte>(c - '@');
    }
    return fail(ErrorKind::invalid,
                "unknown detach key \"{}\": give single characters or ctrl-a to ctrl-z", key);
}

}  // namespace

Result<std::vector<std::byte>> parse_detach_keys(std::string_view text) {
    std::vector<std::byte> keys;
    while (!text.empty()) {
        const auto comma = text.find(',');
        // A comma itself may be a key: "ctrl-p,,".
        const auto key = comma == 0 ? text.substr(0, 1) : text.substr(0, comma);
        HAKO_TRY(const auto byte, parse_key(key));
        keys.push_back(byte);
        text.remove_prefix(key.size());
        if (!text.empty()) text.remove_prefix(1);
    }
    return keys;
}

DetachFilter::Filtered DetachFilter::feed(std::span<const std::byte> typed) {
    Filtered result;
    if (keys_.empty()) {
        result.data.assign(typed.begin(), typed.end());
        return result;
    }
    for (const std::byte key : typed) {
        if (key != keys_[matched_]) {
            result.data.insert(result.data.end(), keys_.begin(),
                               keys_.begin() + static_cast<std::ptrdiff_t>(matched_));
            matched_ = 0;
        }
        if (key != keys_[matched_]) {
            result.data.push_back(key);
        } else if (++matched_ == keys_.size()) {
            result.detached = true;
            return result;
        }
    }
    return result;
}

std::vector<std::byte> DetachFilter::take_held() {
    const auto count = static_cast<std::ptrdiff_t>(std::exchange(matched_, 0));
    return {keys_.begin(), keys_.begin() + count};
}

}  // namespace hako::cli
