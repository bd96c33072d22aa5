#include "cli/host.h"

#include <cstdlib>

namespace hako::cli {

std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
}

namespace {

// Empty where the user has none.
std::filesystem::path user_cache() {
    const std::filesystem::path given = environment("XDG_CACHE_HOME").value_or("");
    if (given.is_absolute()) return given / "hako";
    const auto home = environment("HOME");
    return home ? std::filesystem::path(*home) / ".cache/hako" : std::filesystem::path();
}

}  // namespace

DaemonPaths DaemonPaths::from_environment(uid_t user) {
    DaemonPaths paths{.root = environment("HAKO_ROOT").value_or("/var/lib/hako"),
                      .run = environment("HAKO_RUN").value_or("/run/hako")};
    if (user != 0 && !environment("HAKO_ROOT")) paths.own_cache = user_cache();
    return paths;
}

Result<HostChoice> choose_host(const std::vector<std::string>& flags, const DaemonPaths& paths) {
    if (flags.size() > 1)
        return fail(ErrorKind::invalid, "specify only one -H: a command talks to one daemon");
    std::optional<std::string> named;
    if (!flags.empty()) named = flags.front();
    if (!named) named = environment("HAKO_HOST");
    // HAKO_RUN asks for a daemon of ours, which a DOCKER_HOST for other tools must not override.
    if (!named && !environment("HAKO_RUN")) named = environment("DOCKER_HOST");
    if (!named) return HostChoice{http::Endpoint::unix_socket(paths.socket()), true};
    HAKO_TRY(auto endpoint, http::Endpoint::parse(*named));
    return HostChoice{std::move(endpoint), false};
}

}  // namespace hako::cli
