#include "engine/sockets.h"

#include <algorithm>
#include <filesystem>

namespace hako::engine {
namespace {

constexpr std::size_t kMaxSockets = 32;  // each has a thread here and one in the guest
constexpr std::size_t kMaxPath = 107;    // of sockaddr_un

Result<runtime::RelayedSocket> parse_published(std::string_view text) {
    const auto colon = text.find(':');
    runtime::RelayedSocket socket;
    socket.host = text.substr(0, colon);
    if (colon != std::string_view::npos) socket.guest = text.substr(colon + 1);
    const auto is_path = [](const std::string& path) {
        return path.starts_with('/') && !path.ends_with('/') &&
               path.find('\0') == std::string::npos;
    };
    if (!is_path(socket.host.native()) || !is_path(socket.guest) ||
        socket.guest.find(':') != std::string::npos)
        return fail(ErrorKind::invalid,
                    "invalid socket to publish: '{}': write two absolute paths, HOST:CONTAINER, "
                    "without colons and commas",
                    text.substr(0, 256));
    if (socket.host.native().size() > kMaxPath)
        return fail(ErrorKind::invalid,
                    "the socket {} cannot be made: its path is longer than {} bytes",
                    socket.host.native().substr(0, 256), kMaxPath);
    std::error_code error;
    if (!std::filesystem::is_directory(socket.host.parent_path(), error))
        return fail(ErrorKind::invalid, "the socket {} cannot be made: {} is no folder",
                    socket.host.native(), socket.host.parent_path().native());
    return socket;
}

}  // namespace

Result<std::vector<runtime::RelayedSocket>> published_sockets(const HostConfig& config) {
    std::vector<runtime::RelayedSocket> sockets;
    const auto found = config.annotations.find(std::string(kPublishSocketAnnotation));
    if (found == config.annotations.end()) return sockets;
    for (std::string_view rest = found->second;;) {
        const auto text = rest.substr(0, rest.find(','));
        HAKO_TRY(auto socket, parse_published(text));
        if (std::ranges::find(sockets, socket.host, &runtime::RelayedSocket::host) != sockets.end())
            return fail(ErrorKind::invalid, "{} is published twice", socket.host.native());
        sockets.push_back(std::move(socket));
        if (text.size() == rest.size()) return sockets;
        rest.remove_prefix(text.size() + 1);
    }
}

Result<void> add_sockets(const Container& container, runtime::ContainerSpec& spec) {
    HAKO_TRY(spec.published_sockets, published_sockets(container.host_config));
    for (const MountPoint& mount : container.mounts)
        if (is_socket(mount)) spec.sockets.push_back({mount.source, mount.target});
    if (spec.sockets.size() + spec.published_sockets.size() > kMaxSockets)
        return fail(ErrorKind::invalid, "a container can have {} sockets of the host, not more",
                    kMaxSockets);
    return {};
}

}  // namespace hako::engine
