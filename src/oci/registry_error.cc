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

Error registry_error(const Refused& refused, const HttpResponse& response) {
    const auto code = first_error(response).code;
    const auto text = registry_error_text(response);
    const auto describe = [&](std::string_view fallback) {
        return text.empty() ? std::string(fallback) : text;
    };
    const auto& [registry, repository, what, pushes, with_credentials] = refused;
    switch (response.status) {
        case 401:
            if (with_credentials)
                return Error(ErrorKind::unauthorized,
                             fmt::format("{} refuses the user name or password ({}); log in again",
                                         registry, describe("unauthorized")));
            [[fallthrough]];
        case 403: {
            const auto reason = describe("denied: requested access to the resource is denied");
            if (repository.empty())
                return Error(ErrorKind::forbidden,
                             fmt::format("{} denies the {} ({}); log in as who may see it",
                                         registry, what, reason));
            if (pushes)
                return Error(ErrorKind::forbidden,
                             fmt::format("push access denied for {}, log in as who may write it: "
                                         "{}",
                                         repository, reason));
            // Docker's answer is 404: who may not see a repository may not know of it.
            return Error(ErrorKind::not_found,
                         fmt::format("pull access denied for {}, repository does not exist or may "
                                     "require 'docker login': {}",
                                     repository, reason));
        }
        case 404:
            if (code == "NAME_UNKNOWN")
                return Error(ErrorKind::not_found,
                             fmt::format("repository {} not found: {}", repository, text));
            return Error(ErrorKind::not_found,
                         fmt::format("{} not found: {}", what,
                                     describe("manifest unknown: manifest unknown")));
        case 429:
            return Error(ErrorKind::unavailable,
                         fmt::format("{} answers 429 for the {} ({}); log in for a higher limit, "
                                     "or try later",
                                     registry, what, describe("toomanyrequests")));
        default:
            return Error(
                response.status >= 500 ? ErrorKind::unavailable : ErrorKind::invalid,
                fmt::format("{} answers {} for the {} ({}); {}", registry, response.status, what,
                            describe("without a reason"),
                            response.status >= 500 ? "try again later" : "is it a registry?"));
    }
}

}  // namespace hako::oci
