// The viewer beside a machine of hako macos boot
#include <unistd.h>

#include "base/paths.h"
#include "cli/commands/macos.h"
#include "cli/session.h"
#include "http/endpoint.h"
#include "macos/progress.h"

namespace hako::cli {
namespace {

constexpr int kListener = 3;  // in the viewer

}  // namespace

Result<Process> start_mac_viewer(const Session& session, const std::filesystem::path& folder,
                                 const std::string& address, const macos::MacSettings& settings) {
    http::Endpoint endpoint{.path = {}, .host = address, .port = settings.web_port};
    const auto listener = http::listen(endpoint, 0, http::Reach::anywhere);
    if (!listener)
        return fail(listener.error().kind(),
                    "the viewer cannot serve: {}. Choose another port with WEB_PORT, or go without "
                    "it with DISPLAY=vnc",
                    listener.error().message());
    HAKO_TRY(endpoint.port, http::bound_port(listener->get()));
    HAKO_TRY(const auto installation, Installation::find());
    hako::Command command{
        .argv = {installation.viewer(), "--parent", std::to_string(::getpid()), "--listen-fd",
                 std::to_string(kListener), "--progress", folder / macos::kProgressFile, "--vnc",
                 folder / macos::kVncSocket, "--starter", "hako macos boot"},
        .new_session = true};
    if (settings.audio) command.argv.emplace_back("--sound");
    HAKO_TRY(auto viewer, spawn(command, {{.source = listener->get(), .target = kListener},
                                          {.source = STDERR_FILENO, .target = STDERR_FILENO}}));
    session.io.print_line("http" + endpoint.to_string().substr(std::string_view("tcp").size()) +
                          "/");
    return viewer;
}

}  // namespace hako::cli
