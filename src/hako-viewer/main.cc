// hako-viewer: the page of one machine at a port of its own, beside its container.
#include <csignal>
#include <cstdlib>

#include <CLI/CLI.hpp>

#include "base/fd.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/text.h"
#include "base/thread.h"
#include "http/server.h"
#include "viewer/viewer.h"

namespace hako {
namespace {

// Enough for a handful of people; a page that hammers us costs no more than these.
constexpr std::size_t kMaxConnections = 64;
constexpr std::size_t kMaxHeader = std::size_t{16} << 10U;

struct Options {
    std::string listen = "tcp://127.0.0.1:8006";
    std::string api = "unix:///run/hako/docker.sock";
    std::string password_file;
    bool open = false;
    viewer::MachinePlaces places;
};

// From the file, from HAKO_VIEWER_PASSWORD, or a new one that the log tells once.
Result<std::string> choose_password(const Options& options) {
    const char* variable = std::getenv("HAKO_VIEWER_PASSWORD");
    if (options.open) return std::string();
    std::string password = variable == nullptr ? "" : variable;
    if (!options.password_file.empty()) {
        HAKO_TRY(password, read_file(options.password_file));
        password = trim(password);
        if (password.empty())
            return fail(ErrorKind::invalid, "{} holds no password", options.password_file);
    }
    if (!password.empty()) return password;
    password = viewer::generate_password();
    log_info("the viewer's password is {}", password);
    return password;
}

Result<void> run(Options options) {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT}) ::sigaddset(&signals, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    HAKO_TRY(const Installation installation, Installation::find());
    HAKO_TRY(options.places.api, http::Endpoint::parse(options.api));
    HAKO_TRY(const auto endpoint, http::Endpoint::parse(options.listen));
    HAKO_TRY(std::string password, choose_password(options));
    const auto reach = password.empty() ? http::Reach::loopback : http::Reach::anywhere;
    std::vector<Fd> listeners;
    HAKO_TRY(Fd listener, http::listen(endpoint, 0660, reach));
    listeners.push_back(std::move(listener));

    viewer::Access access(std::move(password));
    const auto machine = viewer::machine_of_container(std::move(options.places));
    HAKO_TRY(const auto server,
             http::Server::start(
                 std::move(listeners), viewer::make_viewer(*machine, access, installation.web()),
                 {.max_connections = kMaxConnections, .max_header_bytes = kMaxHeader}));
    log_info("the viewer is at {}", endpoint.to_string());
    int signal = 0;
    while (::sigwait(&signals, &signal) != 0) {
    }
    server->stop();
    return {};
}

int run_program(int argc, char** argv) {
    Options options;
    CLI::App app("The page of one machine: its progress, then its screen.");
    app.add_option("--listen", options.listen, "Where to serve: tcp://ADDRESS:PORT or unix://PATH")
        ->capture_default_str();
    app.add_option("--container", options.places.container, "The machine's container")->required();
    app.add_option("--progress", options.places.progress, "Its progress file")->required();
    app.add_option("--vnc", options.places.vnc, "The unix socket of its screen")->required();
    app.add_option("--api", options.api, "hakod, for the power buttons")->capture_default_str();
    app.add_option("--password-file", options.password_file,
                   "Holds the password; else HAKO_VIEWER_PASSWORD, else one is made and logged");
    app.add_flag("--no-password", options.open, "Lets everybody in; on loopback addresses only");
    CLI11_PARSE(app, argc, argv);
    init_log("hako-viewer", LogLevel::info);
    const auto ran = run(std::move(options));
    if (!ran) log_error("{}", ran.error().message());
    return ran ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace hako

int main(int argc, char** argv) {
    int status = EXIT_FAILURE;
    hako::run_guarded("hako-viewer", [&] { status = hako::run_program(argc, argv); });
    return status;
}
