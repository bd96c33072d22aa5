// Unix sockets that are there on the host and in a container: mounted ones and published ones.
#pragma once

#include <vector>

#include "base/result.h"
#include "engine/types.h"
#include "runtime/sandbox_spec.h"

namespace hako::engine {

// The driver of a bind mount whose source is a socket, once it is located (locate_mounts).
constexpr std::string_view kSocketMount = "socket";
inline bool is_socket(const MountPoint& mount) {
    return mount.type == MountType::bind && mount.driver == kSocketMount;
}

// "HOST:GUEST,..." publishes sockets of the container on the host.
constexpr std::string_view kPublishSocketAnnotation = "io.hako.publish-socket";

// ErrorKind::invalid for what is no pair of absolute paths.
Result<std::vector<runtime::RelayedSocket>> published_sockets(const HostConfig& config);
// Those, and what of its mounts, whose sources are known (locate_mounts), is a socket.
Result<void> add_sockets(const Container& container, runtime::ContainerSpec& spec);

}  // namespace hako::engine
