// Unix sockets in a container whose other side is the host's.
#pragma once

#include <string>

#include "base/fd.h"
#include "guest/socket_relay.h"
#include "proto/agent.pb.h"

namespace hako::init {

// Listens at path, which is vminitd's; owner and mode are the message's.
Result<Fd> listen_socket(const std::string& path, const agent::v1::Socket& socket);
// path: below root, links never lead out of it.
Result<Fd> connect_socket(const Fd& root, const std::string& path,
                          const guest::Cancelled& cancelled);

}  // namespace hako::init
