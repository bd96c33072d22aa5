#include "cli/credentials/credential_helper.h"

#include "base/json.h"
#include "base/process.h"

namespace hako::cli {
namespace {

// A helper may ask the user to unlock something.
constexpr std::chrono::seconds kPatience{60};
// How helpers say that there is nothing, and what they call a user who is a token.
constexpr std::string_view kNotFound = "credentials not found in native keychain";
constexpr std::string_view kTokenUser = "<token>";

std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }

}  // namespace

Result<CredentialHelper> CredentialHelper::named(const std::string& name) {
    if (name.empty() || name.find('/') != std::string::npos)
        return fail(ErrorKind::invalid, "\"{}\" names no credential helper; see config.json", name);
    return CredentialHelper("docker-credential-" + name);
}

Result<std::optional<std::string>> CredentialHelper::call(const std::string& operation,
                                                          const std::string& input) const {
    auto ran = run({.argv = {program_, operation}}, kPatience, input);
    if (!ran && ran.error().kind() == ErrorKind::not_found)
        return fail(ErrorKind::not_found,
                    "credential helper {} is not installed; install it, or take it out of "
                    "config.json (credsStore, credHelpers)",
                    program_);
    if (!ran) return fail(std::move(ran).error());
    if (ran->status.success()) return std::optional(std::move(ran->out));
    // Errors are on stdout, too.
    if (ran->out.starts_with(kNotFound)) return std::optional<std::string>();
    const auto& said = ran->out.empty() ? ran->err : ran->out;
    return fail(ErrorKind::unavailable, "credential helper {} cannot {}: {}", program_, operation,
                said.empty() ? to_string(ran->status) : first_line(said));
}

Result<std::optional<Credentials>> CredentialHelper::get(const std::string& server) const {
    HAKO_TRY(const auto answer, call("get", server));
    if (!answer) return std::optional<Credentials>();
    const auto context = fmt::format("answer of {}", program_);
    // Not the parser's own error: it may quote what it read.
    const auto document = parse_json(*answer);
    if (!document) return fail(ErrorKind::invalid, "{} is not JSON", context);
    Credentials credentials{.server = server};
    HAKO_TRY(credentials.username,
             with_context(json_field_or<std::string>(*document, "Username", ""), context));
    HAKO_TRY(auto secret,
             with_context(json_field_or<std::string>(*document, "Secret", ""), context));
    if (credentials.username == kTokenUser) {
        credentials.username.clear();
        credentials.identity_token = std::move(secret);
    } else {
        credentials.password = std::move(secret);
    }
    return std::optional(std::move(credentials));
}

Result<void> CredentialHelper::store(const Credentials& credentials) const {
    const bool is_token = !credentials.identity_token.empty();
    const Json document{{"ServerURL", credentials.server},
                        {"Username", is_token ? std::string(kTokenUser) : credentials.username},
                        {"Secret", is_token ? credentials.identity_token : credentials.password}};
    HAKO_CHECK(call("store", dump_json(document)));
    return {};
}

Result<void> CredentialHelper::erase(const std::string& server) const {
    HAKO_CHECK(call("erase", server));
    return {};
}

}  // namespace hako::cli
