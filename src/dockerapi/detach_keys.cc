#include "dockerapi/detach_keys.h"

#include <optional>

namespace hako::dockerapi {
namespace {

std::optional<char> key_of(std::string_view name) {
    constexpr std::string_view kControl = "ctrl-";
    if (name.size() == 1) return name.front();
    if (!name.starts_with(kControl) || name.size() != kControl.size() + 1) return std::nullopt;
    const char letter = name.back();
    if (letter >= 'a' && letter <= 'z') return static_cast<char>(letter - 'a' + 1);
    if (letter >= '@' && letter <= '_') return static_cast<char>(letter - '@');
    return std::nullopt;
}

}  // namespace

Result<DetachKeys> DetachKeys::parse(std::string_view text) {
    if (text.empty()) text = kDefault;
    std::string keys;
    for (std::string_view rest = text;;) {
        const auto comma = rest.find(',');
        const auto key = key_of(rest.substr(0, comma));
        if (!key) return fail(ErrorKind::invalid, "Invalid detach keys ({}) provided", text);
        keys += *key;
        if (comma == std::string_view::npos) return DetachKeys(std::move(keys));
        rest.remove_prefix(comma + 1);
    }
}

DetachKeys::Fed DetachKeys::feed(std::string_view input) {
    Fed fed;
    for (const char c : input) {
        if (c != keys_[matched_]) {
            // What was held back is ordinary input; this key may begin the sequence anew.
            fed.pass += keys_.substr(0, matched_);
            matched_ = 0;
        }
        if (c != keys_[matched_]) fed.pass += c;
        else if (++matched_ == keys_.size()) {
            matched_ = 0;
            fed.detached = true;
            return fed;
        }
    }
    return fed;
}

}  // namespace hako::dockerapi
