#include "hakod/daemon.h"

#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <system_error>

#include "base/fd.h"
#include "base/log.h"
#include "base/paths.h"
#include "dockerapi/api.h"
#include "dockerapi/engine_services.h"
#include "engine/engine.h"
#include "engine/images.h"
#include "engine/reset.h"
#include "http/endpoint.h"
#include "http/server.h"
#include "store/file.h"

namespace hako::hakod {
namespace {

// Each connection, log and shim takes a few descriptors.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("the limit of open files stays at {}", limit.rlim_cur);
}

sigset_t stop_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    return signals;
}

// Waited for by the main thread; blocked in all threads that start later.
void prepare_signals() {
    std::signal(SIGPIPE, SIG_IGN);
    const sigset_t signals = stop_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

int wait_for_stop_signal() {
    const sigset_t signals = stop_signals();
    int signal = 0;
    while (::sigwait(&signals, &signal) != 0) {
    }
    return signal;
}

// The sockets that are served, and the files of those that are our own.
struct Listeners {
    std::vector<Fd> sockets;
    std::vector<std::filesystem::path> files;

    Listeners() = default;
    Listeners(Listeners&&) = default;
    Listeners& operator=(Listeners&&) = delete;
    ~Listeners() {
        std::error_code ignored;
        for (const auto& file : files) std::filesystem::remove(file, ignored);
    }
};

Result<Listeners> open_listeners(const Options& options, const Layout& layout) {
    Listeners listeners;
    listeners.sockets = http::take_systemd_sockets();
    std::vector<std::string> hosts = options.hosts;
    if (hosts.empty() && listeners.sockets.empty())
        hosts.push_back("unix://" + layout.socket().string());
    for (const std::string& host : hosts) {
        HAKO_TRY(const http::Endpoint endpoint, http::Endpoint::parse(host));
        if (endpoint.is_unix() && endpoint.path.has_parent_path() &&
            !std::filesystem::exists(endpoint.path.parent_path()))
            HAKO_CHECK(make_folders(endpoint.path.parent_path(), 0755));
        HAKO_TRY(Fd socket, http::listen(endpoint));
        listeners.sockets.push_back(std::move(socket));
        if (endpoint.is_unix()) listeners.files.push_back(endpoint.path);
        log_info("serving {}", endpoint.to_string());
    }
    return listeners;
}

// The daemon is of use without it, so a failure is only told.
void provide_hello(engine::Engine& engine, const Installation& installation) {
    if (auto provided = images::ensure_hello(engine.images(), installation.hello_image());
        !provided)
        log_warn("the image hako/hello is missing: {}", provided.error().message());
}

}  // namespace

Result<void> run_daemon(const Options& options) {
    prepare_signals();
    raise_descriptor_limit();
    const Layout layout(std::filesystem::absolute(options.root),
                        std::filesystem::absolute(options.run));
    if (options.reset) return engine::reset(layout);
    HAKO_TRY(const Installation installation, Installation::find());
    HAKO_CHECK(make_folders(layout.root(), 0711));
    HAKO_CHECK(make_folders(layout.run(), 0755));
    HAKO_TRY(const store::FileLock lock, store::FileLock::acquire(layout.lock()));

    // Bound early: whoever started us may connect at once, and waits until we serve.
    HAKO_TRY(Listeners listeners, open_listeners(options, layout));
    HAKO_TRY(const auto engine,
             engine::Engine::open(layout, installation, options.configuration.layers,
                                  options.configuration.templates, options.default_bridge));
    provide_hello(*engine, installation);

    dockerapi::EngineServices services(*engine, options.configuration.registries);
    HAKO_TRY(const auto server, http::Server::start(std::move(listeners.sockets),
                                                    dockerapi::make_api(services.services())));
    log_info("hakod {} is ready, state in {}", HAKO_VERSION, layout.root().string());
    const int signal = wait_for_stop_signal();
    const bool leaves_containers = options.configuration.live_restore;
    log_info("{}: stopping; containers {}", ::strsignal(signal),
             leaves_containers ? "go on running" : "are stopped first");
    if (!leaves_containers) engine->stop_all();
    engine->close();  // so that no request holds the server up
    server->stop();
    return {};
}

}  // namespace hako::hakod
