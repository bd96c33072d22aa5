#include "http/url.h"

#include <algorithm>

namespace hako::http {
namespace {

bool is_unreserved(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::string percent_encode(std::string_view text, bool keep_slashes) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        if (is_unreserved(c) || (keep_slashes && c == '/')) {
            encoded += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        encoded += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
    return encoded;
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            decoded += ' ';
        } else if (text[i] != '%') {
            decoded += text[i];
        } else {
            const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return fail(ErrorKind::invalid, "the URL holds a malformed escape: {}",
                            text.substr(i, 3));
            decoded += static_cast<char>(high * 16 + low);
            if (decoded.back() == '\0')
                return fail(ErrorKind::invalid, "the URL holds an encoded NUL byte");
            i += 2;
        }
    }
    return decoded;
}

Result<Query> Query::parse(std::string_view encoded) {
    Query query;
    while (!encoded.empty()) {
        const auto end = std::min(encoded.find('&'), encoded.size());
        const std::string_view field = encoded.substr(0, end);
        encoded.remove_prefix(std::min(end + 1, encoded.size()));
        if (field.empty()) continue;
        const auto equals = std::min(field.find('='), field.size());
        HAKO_TRY(const auto name, percent_decode(field.substr(0, equals), true));
        HAKO_TRY(const auto value,
                 percent_decode(field.substr(std::min(equals + 1, field.size())), true));
        query.add(name, value);
    }
    return query;
}

std::optional<std::string> Query::find(std::string_view name) const {
    for (const auto& [key, value] : values_)
        if (key == name) return value;
    return std::nullopt;
}

std::string Query::value_or(std::string_view name, std::string_view fallback) const {
    return find(name).value_or(std::string(fallback));
}

std::vector<std::string> Query::all(std::string_view name) const {
    std::vector<std::string> found;
    for (const auto& [key, value] : values_)
        if (key == name) found.push_back(value);
    return found;
}

void Query::add(std::string_view name, std::string_view value) {
    values_.emplace_back(name, value);
}

std::string Query::encode() const {
    std::string encoded;
    for (const auto& [name, value] : values_) {
        if (!encoded.empty()) encoded += '&';
        encoded += percent_encode(name) + '=' + percent_encode(value);
    }
    return encoded;
}

std::string make_target(std::string_view path, const Query& query) {
    std::string target = percent_encode(path, true);
    if (!query.empty()) target += '?' + query.encode();
    return target;
}

}  // namespace hako::http
