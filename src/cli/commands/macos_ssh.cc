// hako macos exec, and wait --ssh: macOS by its own Remote Login, with the ssh of the host
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/fd.h"
#include "base/json.h"
#include "base/paths.h"
#include "base/process.h"
#include "cli/commands/macos.h"
#include "cli/session.h"
#include "http/endpoint.h"
#include "macos/settings.h"

namespace hako::cli {
namespace {

using std::chrono::steady_clock;

constexpr std::uint16_t kSshPort = 22;
constexpr auto kGreeting = std::chrono::seconds(5);
constexpr auto kRetry = std::chrono::seconds(1);
constexpr std::string_view kAskPass = "#!/bin/sh\nexec cat \"$HAKO_SSH_PASSWORD_FILE\"\n";

struct SshFlags {
    std::string user, identity, password_file, address;
};

// Where a machine is reached by ssh; a name of its own for its key, for ports are used again.
struct Place {
    http::Endpoint endpoint;
    std::string key_name;
};

Result<http::Endpoint> parse_address(const std::string& text) {
    const bool has_port = text.find(':') != std::string::npos;
    return with_context(
        http::Endpoint::parse(fmt::format("tcp://{}{}", text, has_port ? "" : ":22")), "--address");
}

// The port of the host that leads to the guest's 22: published, or one of USER_PORTS.
Result<http::Endpoint> find_port(const Json& container, const std::string& name) {
    HAKO_TRY(const auto network, json_field_or(container, "NetworkSettings", Json::object()));
    HAKO_TRY(const auto ports, json_field_or(network, "Ports", Json::object()));
    HAKO_TRY(const auto bindings, json_field_or(ports, "22/tcp", Json::array()));
    for (const auto& binding : bindings) {
        HAKO_TRY(auto host, json_field_or<std::string>(binding, "HostIp", {}));
        HAKO_TRY(const auto port, json_field_or<std::string>(binding, "HostPort", {}));
        if (host.empty() || host == "0.0.0.0") host = "127.0.0.1";
        return http::Endpoint::parse(fmt::format("tcp://{}:{}", host, port));
    }
    HAKO_TRY(const auto config, json_field_or(container, "Config", Json::object()));
    HAKO_TRY(const auto environment, json_field_or<std::vector<std::string>>(config, "Env", {}));
    macos::Variables variables;
    for (const auto& entry : environment)
        if (const auto equals = entry.find('='); equals != std::string::npos)
            variables[entry.substr(0, equals)] = entry.substr(equals + 1);
    HAKO_TRY(const auto parsed, macos::parse_settings(variables, macos::host_size()));
    for (const auto& port : parsed.settings.ports)
        if (port.guest == kSshPort && port.protocol == "tcp")
            return http::Endpoint{.path = {}, .host = port.address, .port = port.host};
    return fail(ErrorKind::conflict,
                "nothing leads to the guest's port 22: make {} with -p 2222:22, or say where it is "
                "with --address",
                name);
}

Result<Place> find_place(const Api& api, const std::string& name, const std::string& address) {
    HAKO_TRY(const auto container, api.get(fmt::format("/containers/{}/json", name)));
    HAKO_TRY(const auto id, json_field_or<std::string>(container, "Id", {}));
    HAKO_TRY(const auto state, json_field_or(container, "State", Json::object()));
    HAKO_TRY(const bool running, json_field_or(state, "Running", false));
    if (!running)
        return fail(ErrorKind::conflict, "{} does not run: `hako logs {}` says why", name, name);
    HAKO_TRY(auto endpoint, address.empty() ? find_port(container, name) : parse_address(address));
    return Place{std::move(endpoint), "hako-" + id.substr(0, 12)};
}

// QEMU takes connections before the guest does: only a greeting tells.
bool greets(const http::Endpoint& endpoint) {
    const auto connection = http::connect(endpoint);
    if (!connection) return false;
    const auto comes = wait_readable(connection->get(), kGreeting);
    if (!comes || !*comes) return false;
    std::array<std::byte, 64> buffer{};
    const auto got = read_some(connection->get(), buffer);
    return got && as_text(std::span(buffer).first(*got)).starts_with("SSH-");
}

// Keys of machines are kept apart from those of hosts.
Result<std::filesystem::path> known_hosts() {
    const char* state = std::getenv("XDG_STATE_HOME");
    const char* home = std::getenv("HOME");
    if (state == nullptr && home == nullptr)
        return fail(ErrorKind::invalid, "HOME is not set: say where the home folder is");
    const auto folder = (state != nullptr ? std::filesystem::path(state)
                                          : std::filesystem::path(home) / ".local/state") /
                        "hako";
    HAKO_CHECK(make_folders(folder));
    return folder / "known_hosts";
}

hako::Command ssh_command(const Place& place, const SshFlags& flags,
                          const std::filesystem::path& hosts, const std::vector<std::string>& words,
                          bool terminal) {
    hako::Command ssh{.argv = {"ssh", "-p", std::to_string(place.endpoint.port), "-o",
                               "HostKeyAlias=" + place.key_name, "-o",
                               "UserKnownHostsFile=" + hosts.native(), "-o",
                               "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=no", "-o",
                               "LogLevel=ERROR"}};
    const auto add = [&](std::initializer_list<std::string> more) {
        ssh.argv.insert(ssh.argv.end(), more);
    };
    if (!flags.user.empty()) add({"-l", flags.user});
    if (!flags.identity.empty()) add({"-i", flags.identity, "-o", "IdentitiesOnly=yes"});
    // Nobody is there to be asked.
    if (flags.password_file.empty() && !terminal) add({"-o", "BatchMode=yes"});
    if (!flags.password_file.empty()) add({"-o", "NumberOfPasswordPrompts=1"});
    add({terminal ? "-t" : "-T", place.endpoint.host, "--", to_shell({.argv = words})});
    return ssh;
}

Result<int> run_ssh(const Session& session, const Place& place, const SshFlags& flags,
                    const std::vector<std::string>& words) {
    HAKO_TRY(const auto hosts, known_hosts());
    const bool terminal = ::isatty(STDIN_FILENO) == 1 && session.io.out_is_terminal();
    auto ssh = ssh_command(place, flags, hosts, words, terminal);
    std::optional<TempDir> helper;
    if (!flags.password_file.empty()) {
        HAKO_TRY(helper, TempDir::create());
        const auto program = helper->path() / "password";
        HAKO_CHECK(replace_file(program, kAskPass, 0700));
        ssh.extra_environment = {
            {"SSH_ASKPASS", program},
            {"SSH_ASKPASS_REQUIRE", "force"},
            {"HAKO_SSH_PASSWORD_FILE", std::filesystem::absolute(flags.password_file)}};
    }
    auto process = spawn(ssh, {{.source = STDIN_FILENO, .target = STDIN_FILENO},
                               {.source = session.io.out, .target = STDOUT_FILENO},
                               {.source = session.io.err, .target = STDERR_FILENO}});
    if (!process && process.error().kind() == ErrorKind::not_found)
        return fail(ErrorKind::not_found, "ssh is missing: install the package openssh-client");
    if (!process) return fail(process.error());
    HAKO_TRY(const auto ended, process->wait());
    return ended->shell_code();
}

}  // namespace

Result<void> wait_for_ssh(const Api& api, const std::string& name, const std::string& address,
                          std::chrono::seconds limit) {
    const auto end = steady_clock::now() + limit;
    for (;;) {
        HAKO_TRY(const auto place, find_place(api, name, address));
        if (greets(place.endpoint)) return {};
        if (steady_clock::now() > end)
            return fail(ErrorKind::deadline,
                        "nobody answers as ssh at {} after {} seconds: turn on Remote Login in "
                        "macOS (System Settings, General, Sharing)",
                        place.endpoint.to_string(), limit.count());
        std::this_thread::sleep_for(kRetry);
    }
}

Command macos_exec_command() {
    auto flags = std::make_shared<SshFlags>();
    Command command("exec", "Execute a command in macOS, by ssh (Remote Login)");
    command.option("-u,--user", flags->user, "Who to be in macOS (default: as here)")
        .option("-i,--identity", flags->identity, "Private key to log in with")
        .completes(Completes::files)
        .option("--password-file", flags->password_file, "File with the password to log in with")
        .completes(Completes::files)
        .option("--address", flags->address,
                "Where its ssh is, as HOST[:PORT] (default: the published port)")
        .arguments("MACHINE COMMAND [ARG...]", 2, kUnlimited, Completes::running_containers)
        .stop_at_first_argument();
    command.action([flags](Session& session, const auto& arguments) -> Result<int> {
        HAKO_TRY(const auto* api, session.api());
        HAKO_TRY(const auto place, find_place(*api, arguments.front(), flags->address));
        return run_ssh(session, place, *flags, {arguments.begin() + 1, arguments.end()});
    });
    return command;
}

}  // namespace hako::cli
