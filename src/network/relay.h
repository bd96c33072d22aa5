// Published ports relayed in user space. Both are for the loop's thread only.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "network/event_loop.h"
#include "network/sockets.h"

namespace hako::network {

// A held port that can be relayed to a container.
class PortRelay {
public:
    virtual ~PortRelay() = default;
    // Again, to another target: what is relayed to the first one ends.
    virtual void forward(const SocketAddress& target) = 0;
};

// Connections wait in the backlog until forward(). Half-closed ones stay half-closed, and who reads
// slowly slows the other side down.
std::unique_ptr<PortRelay> make_tcp_relay(EventLoop& loop, Fd listener);

// Each client has a session with a socket of its own towards the container, which ends after 90 s
// of silence. Datagrams before forward() are dropped.
std::unique_ptr<PortRelay> make_udp_relay(EventLoop& loop, Fd socket);

}  // namespace hako::network
