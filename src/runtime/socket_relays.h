// The sockets of a container that are joined with sockets of the host, by the agent's channel:
// those of the host that its processes connect to, and those of its processes that are published.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/guarded.h"
#include "guest/agent_client.h"
#include "runtime/sandbox_spec.h"

namespace hako::runtime {

// How many connections a VM may have: each takes two threads here and two in the guest. Whoever
// comes beyond that waits in the socket's queue.
class ConnectionSlots {
public:
    // Waits for a free one; false when it is stopped.
    bool acquire(const std::stop_token& stop);
    void release();

private:
    static constexpr unsigned kMaxConnections = 128;
    Guarded<unsigned> used_;
    std::condition_variable_any freed_;
};

// What the guest makes of the container's sockets: with owner and mode of the host's ones.
Result<std::vector<guest::Socket>> guest_sockets(const std::vector<RelayedSocket>& sockets);
// Removes the published sockets that a shim left that was killed. folder: spec.published_sockets().
void remove_published_sockets(const std::filesystem::path& folder);

class SocketRelays {
public:
    // links: where the published sockets are noted.
    SocketRelays(std::shared_ptr<guest::AgentClient> agent, ConnectionSlots& slots,
                 std::string container, std::filesystem::path links);
    // Ends what still runs. Where the guest takes nothing any more, that waits for the VM's end.
    ~SocketRelays();
    SocketRelays(const SocketRelays&) = delete;
    SocketRelays& operator=(const SocketRelays&) = delete;

    // Makes the host's sockets; ErrorKind::conflict where there is something already.
    Result<void> publish(const std::vector<RelayedSocket>& sockets);
    // Relays from now on, once the guest has the container.
    void start(const std::vector<RelayedSocket>& sockets);
    // Nobody can connect any more, the published sockets are gone. What the container had written
    // arrives, within the time-out; then its connections end. The container's processes have ended.
    void finish(std::chrono::milliseconds timeout);

private:
    struct Published {
        RelayedSocket socket;
        std::filesystem::path link;
        Fd listener;
        bool is_there = false;
    };
    struct Connection {
        std::shared_ptr<guest::SocketCall> call;
        std::atomic<bool> over = false;
        std::jthread thread;
    };
    // Makes both ends ready, and returns the host's.
    using Join = std::function<Result<Fd>(const std::stop_token&)>;

    void serve_host_socket(const RelayedSocket& socket, const std::stop_token& stop);
    void serve_published(const Published& published, const std::stop_token& stop);
    void begin(std::shared_ptr<guest::SocketCall> call, const std::string& name, Join join);
    void say(const std::string& name, const Result<Fd>& joined);
    bool guest_has_ended();

    const std::shared_ptr<guest::AgentClient> agent_;
    ConnectionSlots& slots_;
    const std::string container_;
    const std::filesystem::path links_;
    std::vector<Published> published_;
    std::mutex withdrawing_;
    std::atomic<int> accepting_ = 0;          // threads that wait for connections in the guest
    Guarded<std::set<std::string>> failing_;  // sockets whose failure has been told
    Guarded<std::list<Connection>> connections_;
    std::vector<std::jthread> listeners_;
};

}  // namespace hako::runtime
