#include "macshim/mac_viewer.h"

#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "http/client.h"
#include "http/endpoint.h"
#include "http/url.h"
#include "macshim/power_buttons.h"
#include "network/sockets.h"
#include "vmm/hotplug.h"
#include "vmm/jail.h"

namespace hako::macshim {
namespace {

// In the viewer.
constexpr int kPowerFd = 3;
constexpr int kPasswordFd = 4;
constexpr int kFirstListenFd = 5;  // and more

// Each is the container's verb at hakod, so that its policy knows of it.
PressButton call_hakod(http::Client api, std::string container) {
    return [api = std::move(api), container = std::move(container)](const std::string& button,
                                                                    const std::stop_token& stop) {
        const auto called = api.call(
            {.method = "POST",
             .target = http::make_target(fmt::format("/containers/{}/{}", container, button)),
             .stop = stop});
        if (!called && !stop.stop_requested())
            log_warn("viewer: {}: {}", button, called.error().message());
    };
}

// A socket that listens, and what one calls it in a browser.
struct Listener {
    Fd socket;
    std::string address;
};

Result<Listener> listen_at(const macos::ViewerPlace& place) {
    HAKO_TRY(const auto address, network::Address::parse(place.address));
    Listener listener;
    HAKO_TRY(listener.socket,
             with_context(network::bind_socket(network::Protocol::tcp, {address, place.port}),
                          "the viewer cannot serve (publish another port, or go without it with "
                          "DISPLAY=vnc)"));
    HAKO_TRY(const auto port, http::bound_port(listener.socket.get()));
    listener.address =
        fmt::format("http://{}/", network::to_string(network::SocketAddress{address, port}));
    return listener;
}

vmm::JailSpec describe_jail(const ViewerSpec& spec, const Installation& installation, uid_t uid) {
    std::vector<std::string> argv{installation.viewer(),
                                  "--parent",
                                  std::to_string(::getpid()),
                                  "--power-fd",
                                  std::to_string(kPowerFd),
                                  "--password-fd",
                                  std::to_string(kPasswordFd),
                                  "--web",
                                  installation.web(),
                                  "--progress",
                                  spec.folder / macos::kProgressFile,
                                  "--vnc",
                                  spec.folder / macos::kVncSocket,
                                  "--starter",
                                  spec.starter};
    for (std::size_t i = 0; i < spec.places.size(); ++i)
        argv.insert(argv.end(), {"--listen-fd", std::to_string(kFirstListenFd + i)});
    if (spec.has_sound) argv.emplace_back("--sound");
    return {.argv = std::move(argv),
            .files = {installation.viewer(), installation.web(), spec.folder},
            .devices = {"/dev/null", "/dev/urandom"},
            .uid = uid,
            .parent = ::getpid()};
}

}  // namespace

Result<std::unique_ptr<MacViewer>> MacViewer::start(ViewerSpec spec,
                                                    const Installation& installation) {
    HAKO_TRY(auto api, http::Endpoint::parse(spec.api));
    std::vector<Listener> listeners;
    for (const auto& place : spec.places) {
        HAKO_TRY(auto listener, listen_at(place));
        listeners.push_back(std::move(listener));
    }
    HAKO_CHECK(make_folders(spec.folder, 0755));
    const uid_t uid = vmm::usable_uid(vmm::jail_uid(spec.container + " viewer"));
    HAKO_TRY(const Fd password, vmm::text_file(spec.password));
    HAKO_TRY(FdPair power, make_pipe());
    HAKO_TRY(const Fd jail,
             vmm::text_file(dump_json(to_json(describe_jail(spec, installation, uid)))));
    std::vector<std::string> addresses;
    std::vector<FdMapping> fds{{.source = jail.get(), .target = STDIN_FILENO},
                               {.source = spec.errors, .target = STDERR_FILENO},
                               {.source = power.second.get(), .target = kPowerFd},
                               {.source = password.get(), .target = kPasswordFd}};
    for (const Listener& listener : listeners) {
        fds.push_back({.source = listener.socket.get(),
                       .target = kFirstListenFd + static_cast<int>(addresses.size())});
        addresses.push_back(listener.address);
    }
    auto viewer = std::unique_ptr<MacViewer>(new MacViewer(spec.folder, std::move(addresses), uid));
    HAKO_TRY(viewer->process_,
             spawn({.argv = {installation.shim(), "jail"}, .new_session = true}, fds));
    viewer->buttons_ = listen_to_buttons(std::move(power.first),
                                         call_hakod(http::Client(std::move(api)), spec.container));
    return viewer;
}

MacViewer::~MacViewer() {
    process_.reset();  // the end of its pipe
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
}

void MacViewer::show(const macos::Progress& progress) const {
    if (auto written = macos::write_progress(folder_ / macos::kProgressFile, progress); !written)
        log_warn("viewer: {}", written.error().message());
}

}  // namespace hako::macshim
