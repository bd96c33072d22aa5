#include "engine/host_networks.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "base/sha256.h"
#include "network/dns.h"

namespace hako::engine {
namespace {

// What tells the links and rules of this daemon from those of another one on the same host.
std::string instance_of(const Layout& layout) {
    return sha256_hex(as_bytes(layout.root().native())).substr(0, 8);
}

bool may_administer_networks() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0) return false;
    return (data[0].effective & (1U << CAP_NET_ADMIN)) != 0;
}

class HostNetworks : public NetworkSource {
public:
    explicit HostNetworks(const Layout& layout) : instance_(instance_of(layout)) {}

    Result<network::HostNetwork*> links() override {
        return open(links_, [&] { return network::open_host_network(instance_); });
    }
    Result<network::Firewall*> firewall() override {
        return open(firewall_, [&] { return network::open_firewall(instance_); });
    }
    Result<network::Names*> names() override {
        return open(names_, [] { return network::start_dns(); });
    }
    Result<network::Ports*> ports() override {
        return open(ports_, [] { return network::start_ports(); });
    }
    std::string resolv_conf() override { return read_file("/etc/resolv.conf").value_or(""); }
    bool permitted() override { return may_administer_networks(); }

private:
    template <typename T>
    using Slot = Guarded<std::unique_ptr<T>>;

    template <typename T, typename Make>
    static Result<T*> open(Slot<T>& slot, Make make) {
        auto held = slot.lock();
        if (!*held) {
            HAKO_TRY(*held, make());
        }
        return held->get();
    }

    const std::string instance_;
    Slot<network::HostNetwork> links_;
    Slot<network::Firewall> firewall_;
    Slot<network::Names> names_;
    Slot<network::Ports> ports_;
};

}  // namespace

std::unique_ptr<NetworkSource> open_network_source(const Layout& layout) {
    return std::make_unique<HostNetworks>(layout);
}

}  // namespace hako::engine
