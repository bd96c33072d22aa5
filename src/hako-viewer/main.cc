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
constexpr std::size_t kMaxPassword = 4096;
constexpr std::size_t kMaxHeader = std::size_t{16} << 10U;

struct Options {
    std::string listen = "tcp://127.0.0.1:8006";
    std::string api = "unix:///run/hako/docker.sock";
    std::string container;
    int parent = 0;
    std::vector<int> listen_fds;
    int power_fd = -1, password_fd = -1;
    std::string password_file, web;
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
    if (options.password_fd >= 0) {
        const Fd fd(options.password_fd);
        password.resize(kMaxPassword);
        HAKO_TRY(const auto count,
                 read_full(fd.get(), std::as_writable_bytes(std::span(password))));
        password.resize(count);
    }
    if (!password.empty()) return password;
    password = viewer::generate_password();
    log_info("the viewer's password is {}", password);
    return password;
}

Result<std::unique_ptr<viewer::Machine>> find_machine(const Options& options) {
    if (options.parent > 0) HAKO_CHECK(viewer::end_with_parent(options.parent));
    if (options.power_fd >= 0) return viewer::machine_of_shim(options.places, Fd(options.power_fd));
    if (options.container.empty() && options.parent > 0)
        return viewer::machine_of_parent(options.places, options.parent);
    if (options.container.empty())
        return fail(ErrorKind::invalid, "name the machine's container with --container");
    HAKO_TRY(auto api, http::Endpoint::parse(options.api));
    return viewer::machine_of_container(options.places, std::move(api), options.container);
}

Result<std::vector<Fd>> open_listeners(const Options& options, http::Reach reach) {
    std::vector<Fd> listeners;
    for (const int fd : options.listen_fds) listeners.emplace_back(fd);
    if (!listeners.empty()) return listeners;
    HAKO_TRY(const auto endpoint, http::Endpoint::parse(options.listen));
    HAKO_TRY(Fd listener, http::listen(endpoint, 0660, reach));
    listeners.push_back(std::move(listener));
    return listeners;
}

Result<void> run(const Options& options) {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT}) ::sigaddset(&signals, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    std::filesystem::path web = options.web;
    if (web.empty()) {
        HAKO_TRY(const Installation installation, Installation::find());
        web = installation.web();
    }
    HAKO_TRY(const auto machine, find_machine(options));
    HAKO_TRY(std::string password, choose_password(options));
    const auto reach = password.empty() ? http::Reach::loopback : http::Reach::anywhere;
    HAKO_TRY(auto listeners, open_listeners(options, reach));

    viewer::Access access(std::move(password));
    HAKO_TRY(
        const auto server,
        http::Server::start(std::move(listeners), viewer::make_viewer(*machine, access, web),
                            {.max_connections = kMaxConnections, .max_header_bytes = kMaxHeader}));
    if (options.listen_fds.empty()) log_info("the viewer is at {}", options.listen);
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
    auto* listen_fd = app.add_option("--listen-fd", options.listen_fds,
                                     "Serve on this socket, which listens; may be given again");
    app.add_option("--container", options.container, "The machine's container");
    app.add_option("--parent", options.parent,
                   "Our parent's process id: it runs the machine, and we end with it");
    app.add_option("--power-fd", options.power_fd,
                   "Write what the power buttons ask for to this pipe");
    app.add_option("--password-fd", options.password_fd, "Read the password from this descriptor");
    app.add_option("--web", options.web, "Folder of the page (default: the installed one)");
    app.add_option("--progress", options.places.progress, "Its progress file")->required();
    app.add_option("--vnc", options.places.vnc, "The unix socket of its screen")->required();
    app.add_flag("--sound", options.places.has_sound, "That server tells what the machine plays");
    app.add_option("--starter", options.places.starter,
                   "The command that starts the machine, when the viewer has ended with it");
    app.add_option("--api", options.api, "hakod, for the power buttons")->capture_default_str();
    app.add_option("--password-file", options.password_file,
                   "Holds the password; else HAKO_VIEWER_PASSWORD, else one is made and logged");
    app.add_flag("--no-password", options.open, "Lets everybody in; on loopback addresses only")
        ->excludes(listen_fd);
    CLI11_PARSE(app, argc, argv);
    init_log("hako-viewer", LogLevel::info);
    const auto ran = run(options);
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
