// hako login and logout
#include "cli/commands/commands.h"
#include "cli/credentials/docker_config.h"
#include "cli/session.h"
#include "cli/terminal.h"

namespace hako::cli {
namespace {

struct LoginOptions {
    std::optional<std::string> username, password;
    bool password_from_input = false;
};

constexpr std::size_t kMaxSecretBytes = 64U << 10U;

Result<std::string> read_line(int fd) {
    std::string line;
    std::byte piece{};
    while (line.size() < kMaxSecretBytes) {
        HAKO_TRY(const auto count, read_some(fd, std::span(&piece, 1)));
        if (count == 0 && line.empty())
            return fail(ErrorKind::cancelled, "no input; login given up");
        const auto c = static_cast<char>(piece);
        if (count == 0 || c == '\n') return line;
        if (c == '\x03') return fail(ErrorKind::cancelled, "login given up");
        line += c;
    }
    return fail(ErrorKind::too_large, "the line is longer than {} bytes", kMaxSecretBytes);
}

Result<std::string> read_password(const Stdio& io) {
    // Before the prompt: who answers quickly is not shown either.
    HAKO_TRY(const auto hidden, RawMode::without_echo(io.in));
    io.print("Password: ");
    auto line = read_line(io.in);
    io.print("\n");
    return line;
}

Result<std::string> read_all(int fd) {
    std::string text;
    std::array<std::byte, 4096> piece{};
    while (true) {
        HAKO_TRY(const auto count, read_some(fd, piece));
        if (count == 0) break;
        text += as_text(std::span(piece).first(count));
        if (text.size() > kMaxSecretBytes)
            return fail(ErrorKind::too_large, "the password is longer than {} bytes",
                        kMaxSecretBytes);
    }
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    return text;
}

Result<void> check_login(const LoginOptions& options) {
    if (!options.password_from_input) return {};
    if (options.password)
        return fail(ErrorKind::invalid, "--password and --password-stdin are mutually exclusive");
    if (!options.username)
        return fail(ErrorKind::invalid, "must provide --username with --password-stdin");
    return {};
}

// From flags, from stdin, or from the user at the terminal.
Result<Credentials> ask_credentials(const Stdio& io, const LoginOptions& options,
                                    const std::string& server) {
    Credentials credentials{.server = server, .username = options.username.value_or("")};
    if (options.password_from_input) {
        HAKO_TRY(credentials.password, read_all(io.in));
    } else if (options.password) {
        io.complain("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        credentials.password = *options.password;
    }
    const bool complete = !credentials.username.empty() && !credentials.password.empty();
    if (!complete && !io.in_is_terminal())
        return fail(ErrorKind::invalid,
                    "cannot perform an interactive login from a non TTY device; use --username "
                    "and --password-stdin");
    if (credentials.username.empty()) {
        io.print("Username: ");
        HAKO_TRY(credentials.username, read_line(io.in));
    }
    if (credentials.password.empty()) {
        HAKO_TRY(credentials.password, read_password(io));
    }
    if (credentials.username.empty() || credentials.password.empty())
        return fail(ErrorKind::invalid, "user name and password are both needed");
    return credentials;
}

// Has the daemon check them, and keeps what the registry gives instead of the password.
Result<void> log_in(Session& session, DockerConfig& config, Credentials credentials) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto answer, api->post("/auth", {}, credentials.to_json()));
    HAKO_TRY(const auto token, json_field_or<std::string>(answer, "IdentityToken", ""));
    if (!token.empty()) {
        credentials.password.clear();
        credentials.identity_token = token;
    }
    HAKO_TRY(const bool readable, config.store(credentials));
    if (readable)
        session.io.complain(fmt::format(
            "WARNING! Your credentials are stored unencrypted in '{}'.\n"
            "Configure a credential helper (credsStore) in that file to remove this warning.",
            config.path().string()));
    HAKO_TRY(const auto status, json_field_or<std::string>(answer, "Status", "Login Succeeded"));
    session.io.print_line(status);
    return {};
}

Result<int> login(Session& session, const LoginOptions& options, const std::string& server) {
    HAKO_CHECK(check_login(options));
    HAKO_TRY(auto config, DockerConfig::load());
    if (!options.username && !options.password) {
        HAKO_TRY(auto stored, config.find(server));
        if (!stored.empty()) {
            stored.server = server;
            session.io.print_line("Authenticating with existing credentials...");
            const auto done = log_in(session, config, std::move(stored));
            if (done) return 0;
            session.io.complain(
                fmt::format("Login did not succeed, error: {}", done.error().message()));
        }
    }
    HAKO_TRY(auto credentials, ask_credentials(session.io, options, server));
    HAKO_CHECK(log_in(session, config, std::move(credentials)));
    return 0;
}

Result<int> logout(Session& session, const std::string& server) {
    HAKO_TRY(auto config, DockerConfig::load());
    if (!config.knows(server)) {
        session.io.print_line("Not logged in to " + server);
        return 0;
    }
    session.io.print_line("Removing login credentials for " + server);
    HAKO_CHECK(config.erase(server));
    return 0;
}

std::string first_or_hub(const std::vector<std::string>& arguments) {
    return server_of_argument(arguments.empty() ? std::string_view() : arguments.front());
}

}  // namespace

Command login_command() {
    auto options = std::make_shared<LoginOptions>();
    Command command("login", "Log in to a registry");
    command.option("-u,--username", options->username, "Username");
    command.option("-p,--password", options->password, "Password");
    command.flag("--password-stdin", options->password_from_input, "Take the password from stdin");
    command.arguments("[SERVER]", 0, 1);
    command.action([options](Session& session, const auto& arguments) {
        return login(session, *options, first_or_hub(arguments));
    });
    return command;
}

Command logout_command() {
    Command command("logout", "Log out from a registry");
    command.arguments("[SERVER]", 0, 1);
    command.action([](Session& session, const auto& arguments) {
        return logout(session, first_or_hub(arguments));
    });
    return command;
}

}  // namespace hako::cli
