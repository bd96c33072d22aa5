#include "cli/credentials/docker_config.h"

#include <system_error>

#include "base/base64.h"
#include "base/fd.h"
#include "base/paths.h"
#include "cli/credentials/credential_helper.h"
#include "cli/host.h"

namespace hako::cli {
namespace {

namespace fs = std::filesystem;

// "user:password" in base64. Some tools pad it with NULs.
Result<void> decode_login(const std::string& text, Credentials& credentials) {
    HAKO_TRY(auto login, decode_base64(text));
    const auto colon = login.find(':');
    if (colon == login.npos) return fail(ErrorKind::invalid, "it has no user name and password");
    credentials.username = login.substr(0, colon);
    credentials.password = login.substr(colon + 1);
    while (credentials.password.ends_with('\0')) credentials.password.pop_back();
    return {};
}

// Where a symbolic link leads; others' dotfiles are often links.
fs::path target_of(const fs::path& path) {
    std::error_code error;
    auto target = fs::canonical(path, error);
    return error ? path : target;
}

}  // namespace

fs::path DockerConfig::default_path() {
    if (const auto folder = environment("DOCKER_CONFIG")) return fs::path(*folder) / "config.json";
    return fs::path(environment("HOME").value_or("/")) / ".docker" / "config.json";
}

Result<DockerConfig> DockerConfig::load(fs::path path) {
    const auto text = read_file(path);
    if (!text && text.error().kind() == ErrorKind::not_found)
        return DockerConfig(std::move(path), Json::object());
    if (!text) return fail(text.error());
    const auto document = text->empty() ? Result<Json>(Json::object()) : parse_json(*text);
    if (!document || !document->is_object())
        return fail(ErrorKind::invalid, "{} is not a JSON object; repair it or move it away",
                    path.string());
    return DockerConfig(std::move(path), *document);
}

Result<std::optional<std::string>> DockerConfig::helper_of(const std::string& server) const {
    using Helpers = std::map<std::string, std::string>;
    HAKO_TRY(const auto helpers,
             with_context(json_field_or<Helpers>(document_, "credHelpers", {}), path_.string()));
    if (const auto found = helpers.find(server); found != helpers.end())
        return std::optional(found->second);
    HAKO_TRY(auto store,
             with_context(json_field_or<std::string>(document_, "credsStore", ""), path_.string()));
    return store.empty() ? std::nullopt : std::optional(std::move(store));
}

Result<Credentials> DockerConfig::find(const std::string& server) const {
    HAKO_TRY(const auto name, helper_of(server));
    if (!name) return find_in_file(server);
    HAKO_TRY(const auto helper, CredentialHelper::named(*name));
    HAKO_TRY(auto found, helper.get(server));
    return found ? *std::move(found) : Credentials();
}

Result<Credentials> DockerConfig::find_in_file(const std::string& server) const {
    const auto context = fmt::format("{}, auths", path_.string());
    HAKO_TRY(const auto all,
             with_context(json_field_or(document_, "auths", Json::object()), context));
    if (!all.is_object()) return fail(ErrorKind::invalid, "{}: it is not an object", context);
    auto entry = all.find(server);
    // Other tools write "https://host/v1/" and the like.
    for (auto item = all.begin(); entry == all.end() && item != all.end(); ++item)
        if (server_of_argument(item.key()) == server) entry = item;
    if (entry == all.end()) return Credentials();

    Credentials credentials{.server = server};
    const auto read = [&]() -> Result<void> {
        HAKO_TRY(const auto login, json_field_or<std::string>(*entry, "auth", ""));
        if (!login.empty()) HAKO_CHECK(decode_login(login, credentials));
        HAKO_TRY(credentials.identity_token,
                 json_field_or<std::string>(*entry, "identitytoken", ""));
        HAKO_TRY(credentials.registry_token,
                 json_field_or<std::string>(*entry, "registrytoken", ""));
        return {};
    };
    HAKO_CHECK(with_context(read(), fmt::format("{}: {}", context, server)));
    return credentials;
}

bool DockerConfig::knows(const std::string& server) const {
    const auto all = document_.find("auths");
    return all != document_.end() && all->is_object() && all->contains(server);
}

Result<bool> DockerConfig::store(const Credentials& credentials) {
    HAKO_TRY(const auto name, helper_of(credentials.server));
    auto entry = Json::object();
    if (name) {
        HAKO_TRY(const auto helper, CredentialHelper::named(*name));
        HAKO_CHECK(helper.store(credentials));
    } else {
        const bool has_login = !credentials.username.empty() || !credentials.password.empty();
        if (has_login)
            entry["auth"] = encode_base64(credentials.username + ":" + credentials.password);
        if (!credentials.identity_token.empty())
            entry["identitytoken"] = credentials.identity_token;
    }
    auto& all = document_["auths"];
    if (!all.is_object()) all = Json::object();
    all[credentials.server] = std::move(entry);
    HAKO_CHECK(save());
    return !name;
}

Result<void> DockerConfig::erase(const std::string& server) {
    HAKO_TRY(const auto name, helper_of(server));
    if (name) {
        HAKO_TRY(const auto helper, CredentialHelper::named(*name));
        HAKO_CHECK(helper.erase(server));
    }
    if (!knows(server)) return {};
    document_["auths"].erase(server);
    return save();
}

Result<void> DockerConfig::save() const {
    const auto target = target_of(path_);
    HAKO_CHECK(make_folders(target.parent_path()));
    const auto text = document_.dump(1, '\t', false, Json::error_handler_t::replace);
    return replace_file(target, text + "\n", 0600);
}

}  // namespace hako::cli
