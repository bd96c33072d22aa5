#include "oci/registry_error.h"

#include <algorithm>

#include "base/json.h"

namespace hako::oci {
namespace {

struct FirstError {
    std::string code;  // "MANIFEST_UNKNOWN"
    std::string message;
};

FirstError first_error(const HttpResponse& response) {
    const auto document = parse_json(response.body);
    if (!document) return {};
    const auto errors = json_field_or<std::vector<Json>>(*document, "errors", {});
    if (!errors || errors->empty()) return {};
    return {json_field_or<std::string>(errors->front(), "code", "").value_or(""),
            json_field_or<std::string>(errors->front(), "message", "").value_or("")};
}

// "MANIFEST_UNKNOWN" -> "manifest unknown", as Docker shows codes.
std::string spell_code(std::string code) {
    std::ranges::transform(code, code.begin(), [](char c) {
        return c == '_' ? ' ' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return code;
}

}  // namespace

std::string registry_error_text(const HttpResponse& response) {
    const auto error = first_error(response);
    if (error.code.empty()) return {};
    // Text of others: bounded, and on one line.
    auto text = spell_code(error.code) + ": " + error.message;
    std::ranges::replace_if(
        text, [](unsigned char c) { return c < ' '; }, ' ');
    return text.substr(0, 500);
}

Error registry_error(const Reference& image, std::string_view what, const HttpResponse& response,
                     bool with_credentials) {
    const auto code = first_error(response).code;
    auto text = registry_error_text(response);
    const auto describe = [&](std::string_view fallback) {
        return text.empty() ? std::string(fallback) : text;
    };
    switch (response.status) {
        case 401:
            if (with_credentials)
                return Error(ErrorKind::unauthorized,
                             fmt::format("registry {} refuses the user name or password ({}); "
                                         "log in again",
                                         image.domain, describe("unauthorized")));
            [[fallthrough]];
        case 403:
            // Docker's answer is 404: who may not see a repository may not know of it.
            return Error(ErrorKind::not_found,
                         fmt::format("pull access denied for {}, repository does not exist or may "
                                     "require 'docker login': {}",
                                     image.familiar_name(),
                                     describe("denied: requested access to the resource is "
                                              "denied")));
        case 404:
            if (code == "NAME_UNKNOWN")
                return Error(ErrorKind::not_found, fmt::format("repository {} not found: {}",
                                                               image.familiar_name(), text));
            return Error(ErrorKind::not_found,
                         fmt::format("{} not found: {}", what,
                                     describe("manifest unknown: manifest unknown")));
        case 429:
            return Error(ErrorKind::unavailable,
                         fmt::format("registry {} answers 429 for the {} ({}); try later, or log "
                                     "in for a higher limit",
                                     image.domain, what, describe("toomanyrequests")));
        default:
            return Error(
                response.status >= 500 ? ErrorKind::unavailable : ErrorKind::invalid,
                fmt::format("registry {} answers {} for the {} ({}); {}", image.domain,
                            response.status, what, describe("without a reason"),
                            response.status >= 500 ? "try again later" : "is it a registry?"));
    }
}

}  // namespace hako::oci
