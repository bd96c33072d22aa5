// One end of a relayed socket: the same for the host's and for the guest's.
#pragma once

#include <functional>
#include <string>

#include "base/fd.h"
#include "proto/agent.pb.h"

namespace hako::guest {

// Asked now and then by what waits, which then is ErrorKind::cancelled.
using Cancelled = std::function<bool()>;

// Waits for somebody to connect; listener does not block. Once `ended` is readable, if there is
// such a descriptor, only those are taken who wait already.
Result<Fd> accept_relayed(int listener, int ended, const Cancelled& cancelled);
// socket: an O_PATH descriptor of it. Waits while its listener's queue is full.
Result<Fd> connect_relayed(const Fd& socket, const Cancelled& cancelled);

// The call that joins the two ends: RelaySocket of proto/agent.proto.
struct RelayCall {
    // The other end's next message; false: the call is over.
    std::function<bool(agent::v1::SocketData&)> read;
    std::function<bool(const agent::v1::SocketData&)> write;
    // Nothing is written any more: both ends have sent all that they had.
    std::function<void()> done;
};

// Carries bytes, and what ends each direction, between a connected stream socket and the call,
// until read() says that the call is over: bytes as fast as the slower side takes them, 64 KiB at a
// time. Then the socket is shut down, and what was said to it and not carried is lost: its other
// end sees the end, not a reset. `read` is called by the calling thread, the rest by another one.
void relay_socket(int socket, const RelayCall& call);

}  // namespace hako::guest
