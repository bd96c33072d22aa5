#include "oci/reference.h"

#include <algorithm>
#include <utility>

namespace hako::oci {
namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::size_t kMaxTagBytes = 128;
constexpr std::string_view kOfficialPrefix = "library/";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alphanumeric(char c) { return is_digit(c) || is_lower(c) || is_upper(c); }
bool has_upper(std::string_view text) { return std::ranges::any_of(text, is_upper); }

// Calls check for each part between separators; false as soon as one fails.
template <typename Check>
bool all_parts(std::string_view text, char separator, Check check) {
    while (true) {
        const auto end = text.find(separator);
        if (!check(text.substr(0, end))) return false;
        if (end == std::string_view::npos) return true;
        text.remove_prefix(end + 1);
    }
}

bool is_host_label(std::string_view label) {
    return !label.empty() && label.front() != '-' && label.back() != '-' &&
           std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

// host[:port], where host is a name, an IPv4 address or an IPv6 address in brackets.
bool is_domain(std::string_view text) {
    std::string_view host = text;
    std::string_view rest;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos || close == 1) return false;
        rest = text.substr(close + 1);
        if (!std::ranges::all_of(text.substr(1, close - 1), [](char c) {
                return is_digit(c) || c == ':' || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
            }))
            return false;
    } else {
        const auto colon = text.find(':');
        host = text.substr(0, colon);
        if (colon != std::string_view::npos) rest = text.substr(colon);
        if (!all_parts(host, '.', is_host_label)) return false;
    }
    if (rest.empty()) return true;
    return rest.front() == ':' && rest.size() > 1 && std::ranges::all_of(rest.substr(1), is_digit);
}

// Runs of letters and digits, joined by one of "." "_" "__" or any number of "-".
bool is_path_component(std::string_view text) {
    const auto is_word = [](char c) { return is_digit(c) || is_lower(c); };
    if (text.empty() || !is_word(text.front()) || !is_word(text.back())) return false;
    for (std::size_t i = 0; i < text.size();) {
        if (is_word(text[i])) {
            ++i;
            continue;
        }
        const auto end = static_cast<std::size_t>(
            std::find_if(text.begin() + static_cast<std::ptrdiff_t>(i), text.end(), is_word) -
            text.begin());
        const auto separator = text.substr(i, end - i);
        if (separator != "." && separator != "_" && separator != "__" &&
            separator.find_first_not_of('-') != std::string_view::npos)
            return false;
        i = end;
    }
    return true;
}

bool is_tag(std::string_view text) {
    const auto is_word = [](char c) { return is_alphanumeric(c) || c == '_'; };
    return !text.empty() && text.size() <= kMaxTagBytes && is_word(text.front()) &&
           std::ranges::all_of(text, [&](char c) { return is_word(c) || c == '.' || c == '-'; });
}

// Whether the part before the first slash is a host: it has a dot or a port, is "localhost", or
// has upper-case letters, which no path may have.
bool looks_like_domain(std::string_view first) {
    return first.find_first_of(".:") != std::string_view::npos || first == "localhost" ||
           has_upper(first);
}

std::pair<std::string, std::string> split_domain(std::string_view text) {
    const auto slash = text.find('/');
    std::string domain(kDefaultDomain);
    std::string rest(text);
    if (slash != std::string_view::npos && looks_like_domain(text.substr(0, slash))) {
        domain = text.substr(0, slash);
        rest = text.substr(slash + 1);
    }
    if (domain == "index.docker.io") domain = kDefaultDomain;
    if (domain == kDefaultDomain && rest.find('/') == std::string::npos)
        rest.insert(0, kOfficialPrefix);
    return {std::move(domain), std::move(rest)};
}

tl::unexpected<Error> malformed() { return fail(ErrorKind::invalid, "invalid reference format"); }

}  // namespace

Result<Reference> Reference::parse(std::string_view text) {
    if (text.size() == 64 && is_lower_hex(text))
        return fail(ErrorKind::invalid,
                    "invalid repository name ({}), cannot specify 64-byte hexadecimal strings",
                    text);
    if (text.empty()) return malformed();

    Reference result;
    std::string rest;
    std::tie(result.domain, rest) = split_domain(text);
    std::string_view path(rest);

    std::string_view digest;
    const auto at = path.find('@');
    if (at != std::string_view::npos) {
        digest = path.substr(at + 1);
        path = path.substr(0, at);
    }
    const auto colon = path.find(':');
    const bool has_tag = colon != std::string_view::npos;
    const auto tag = has_tag ? path.substr(colon + 1) : std::string_view();
    path = path.substr(0, colon);

    if (has_upper(path)) {
        const auto shown = path.starts_with(kOfficialPrefix) && text.find('/') == text.npos
                               ? path.substr(kOfficialPrefix.size())
                               : path;
        return fail(ErrorKind::invalid,
                    "invalid reference format: repository name ({}) must be lowercase",
                    shown.substr(0, kMaxNameBytes));
    }
    if (!is_domain(result.domain) || !all_parts(path, '/', is_path_component)) return malformed();
    if (path.size() > kMaxNameBytes)
        return fail(ErrorKind::invalid,
                    "invalid reference format: repository name must not be more than {} characters",
                    kMaxNameBytes);
    if (has_tag && !is_tag(tag)) return malformed();
    if (at != std::string_view::npos) {
        auto parsed = Digest::parse(digest);
        if (!parsed) return fail(std::move(parsed).error().context("invalid reference format"));
        result.digest = *std::move(parsed);
    }
    result.path = path;
    result.tag = has_tag ? tag : result.digest ? std::string_view() : kDefaultTag;
    return result;
}

std::string Reference::text() const {
    std::string result = name();
    if (!tag.empty()) result += ":" + tag;
    if (digest) result += "@" + digest->text();
    return result;
}

std::string Reference::familiar_name() const {
    if (domain != kDefaultDomain) return name();
    const std::string_view view(path);
    if (view.starts_with(kOfficialPrefix)) {
        const auto rest = view.substr(kOfficialPrefix.size());
        if (rest.find('/') == std::string_view::npos) return std::string(rest);
    }
    // Without its host it would be read as a name at another one.
    return looks_like_domain(view.substr(0, view.find('/'))) ? name() : path;
}

std::string Reference::familiar() const {
    std::string result = familiar_name();
    if (!tag.empty()) result += ":" + tag;
    if (digest) result += "@" + digest->text();
    return result;
}

}  // namespace hako::oci
