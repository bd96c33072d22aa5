// hako compose: the Docker Compose that is installed, with our daemon.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/program.h"
#include "cli/commands/commands.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

namespace fs = std::filesystem;

// Where Docker's CLI looks for its plugins, in its order; the user's own folder comes before these.
constexpr const char* kPluginFolders[] = {
    "/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins"};
// Another daemon's, and how to reach it.
constexpr const char* kOthers[] = {"DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY",
                                   "DOCKER_CERT_PATH"};

// Version 2 as Docker's plugin, which is a program of its own as well, else what is in the PATH.
Result<fs::path> find_compose() {
    std::vector<fs::path> places(std::begin(kPluginFolders), std::end(kPluginFolders));
    const auto own = environment("DOCKER_CONFIG");
    const fs::path folder =
        own ? fs::path(*own) : fs::path(environment("HOME").value_or("/")) / ".docker";
    places.insert(places.begin(), folder / "cli-plugins");
    for (const auto& place : places)
        if (const auto plugin = place / "docker-compose"; ::access(plugin.c_str(), X_OK) == 0)
            return plugin;
    if (const auto program = find_program("docker-compose")) return *program;
    return fail(ErrorKind::not_found,
                "no Docker Compose is installed: install Debian's docker-compose or Docker's "
                "docker-compose-plugin, or put the program into {}",
                (folder / "cli-plugins").native());
}

}  // namespace

Command compose_command() {
    Command command("compose", "Run the installed Docker Compose with this daemon");
    command.arguments("[ARGUMENTS OF DOCKER COMPOSE]", 0).passes_arguments_on();
    command.action([](Session& session, const auto& arguments) -> Result<int> {
        HAKO_TRY(const auto program, find_compose());
        HAKO_CHECK(session.api());  // ours is started when it does not run
        HAKO_TRY(const auto choice, session.host());
        ::setenv("DOCKER_HOST", choice.endpoint.to_string().c_str(), 1);
        for (const char* name : kOthers) ::unsetenv(name);
        std::string name = "docker-compose";
        std::vector<char*> argv{name.data()};
        for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
        argv.push_back(nullptr);
        ::execv(program.c_str(), argv.data());
        return fail_errno(errno, "cannot execute {}", program.native());
    });
    return command;
}

}  // namespace hako::cli
