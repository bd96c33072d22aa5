#include "network/ports.h"

#include <map>
#include <random>
#include <utility>

#include "network/port_holder.h"
#include "network/relay.h"
#include "network/sysctl.h"

namespace hako::network {

namespace {

constexpr unsigned kRandomFirst = 32768;
constexpr unsigned kRandomLast = 60999;

class RelayedPorts : public Ports {
public:
    explicit RelayedPorts(std::unique_ptr<EventLoop> loop) : loop_(std::move(loop)) {}
    ~RelayedPorts() override {
        loop_->call([this] { containers_.clear(); });
    }

    Result<std::vector<PortBinding>> reserve(const std::string& container,
                                             const std::string& container_name,
                                             const std::vector<PortBinding>& wanted) override {
        Result<std::vector<PortBinding>> result;
        loop_->call([&] { result = reserve_here(container, container_name, wanted); });
        return result;
    }
    Result<void> forward(const std::string& container, std::optional<Address> v4,
                         std::optional<Address> v6) override {
        Result<void> result;
        loop_->call([&] { result = forward_here(container, v4, v6); });
        return result;
    }
    void release(const std::string& container) override {
        loop_->call([&] { containers_.erase(container); });
    }

private:
    struct Port {
        PortBinding binding;
        std::unique_ptr<PortRelay> relay;
    };
    struct Container {
        std::string name;
        std::vector<Port> ports;
    };

    Result<std::vector<PortBinding>> reserve_here(const std::string& container,
                                                  const std::string& name,
                                                  const std::vector<PortBinding>& wanted) {
        if (containers_.contains(container))
            return fail(ErrorKind::conflict, "container {} holds its ports already", name);
        Container mine{name, {}};
        for (const PortBinding& binding : wanted) HAKO_CHECK(reserve_one(binding, mine));
        std::vector<PortBinding> bindings;
        for (const Port& port : mine.ports) bindings.push_back(port.binding);
        containers_.emplace(container, std::move(mine));
        return bindings;
    }

    // The port that was named, or the first free one of a range or of the random ones.
    Result<void> reserve_one(const PortBinding& wanted, Container& mine) {
        if (wanted.container_port == 0)
            return fail(ErrorKind::invalid, "port 0 of a container cannot be published");
        const bool random = wanted.host_port == 0;
        const unsigned first = random ? kRandomFirst : wanted.host_port;
        const unsigned last =
            random ? kRandomLast : std::max(wanted.host_port, wanted.host_port_end);
        const unsigned count = last - first + 1;
        const unsigned start =
            random ? std::uniform_int_distribution<>(0, int(count - 1))(random_) : 0;
        Error reason(ErrorKind::exhausted, "");
        for (unsigned i = 0; i < count; ++i) {
            PortBinding binding = wanted;
            binding.host_port = static_cast<std::uint16_t>(first + (start + i) % count);
            binding.host_port_end = 0;
            auto bound = bind_port(binding, mine);
            if (bound) return {};
            reason = std::move(bound.error());
            if (reason.kind() != ErrorKind::conflict) break;
        }
        if (count == 1 || reason.kind() != ErrorKind::conflict) return fail(std::move(reason));
        return fail(ErrorKind::conflict,
                    "all ports from {} to {} are already allocated; free one "
                    "or name others",
                    first, last);
    }

    // On all of its addresses, or on none.
    Result<void> bind_port(const PortBinding& binding, Container& mine) {
        std::vector<Port> bound;
        std::vector<Address> hosts{binding.host_ip.value_or(Address())};
        if (!binding.host_ip && has_ipv6()) hosts.push_back(Address::any(Family::v6));
        for (const Address& host : hosts) {
            auto socket = bind_socket(binding.protocol, {host, binding.host_port});
            if (!socket && socket.error().kind() == ErrorKind::conflict)
                return already_allocated(binding, host, mine);
            // IPv6 that is switched off: IPv4 is what there is.
            if (!socket && !binding.host_ip && !host.is_v4()) continue;
            if (!socket)
                return fail(std::move(socket.error())
                                .context(fmt::format("cannot publish port {}/{}", binding.host_port,
                                                     to_string(binding.protocol))));
            Port port{binding, binding.protocol == Protocol::tcp
                                   ? make_tcp_relay(*loop_, *std::move(socket))
                                   : make_udp_relay(*loop_, *std::move(socket))};
            port.binding.host_ip = host;
            bound.push_back(std::move(port));
        }
        for (Port& port : bound) mine.ports.push_back(std::move(port));
        return {};
    }

    tl::unexpected<Error> already_allocated(const PortBinding& binding, const Address& host,
                                            const Container& mine) const {
        const auto has = [&](const Container& container) {
            for (const Port& port : container.ports)
                if (port.binding.host_port == binding.host_port &&
                    port.binding.protocol == binding.protocol)
                    return true;
            return false;
        };
        std::string holder;
        if (has(mine)) holder = "this container, which publishes it twice";
        for (const auto& [id, container] : containers_)
            if (has(container)) holder = "container " + container.name;
        if (holder.empty()) holder = port_holder(binding.protocol, binding.host_port);
        return fail(ErrorKind::conflict,
                    "Bind for {} failed: port is already allocated by {}; free it or publish "
                    "another port",
                    to_string(SocketAddress{host, binding.host_port}),
                    holder.empty() ? "another process" : holder);
    }

    Result<void> forward_here(const std::string& container, std::optional<Address> v4,
                              std::optional<Address> v6) {
        const auto found = containers_.find(container);
        if (found == containers_.end()) return {};
        if (!v4 && !v6)
            return fail(ErrorKind::invalid, "container {} has no address to publish ports of",
                        found->second.name);
        for (Port& port : found->second.ports) {
            const auto& same = port.binding.host_ip->is_v4() ? v4 : v6;
            const Address target = same ? *same : v4 ? *v4 : *v6;
            port.relay->forward({target, port.binding.container_port});
        }
        return {};
    }

    std::unique_ptr<EventLoop> loop_;
    // For the loop's thread only.
    std::map<std::string, Container> containers_;
    std::mt19937 random_{std::random_device()()};
};

}  // namespace

Result<std::unique_ptr<Ports>> start_ports() {
    HAKO_TRY(auto loop, EventLoop::start("ports"));
    return std::make_unique<RelayedPorts>(std::move(loop));
}

}  // namespace hako::network
