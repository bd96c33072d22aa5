// The host's side of one network, for bench/network.py: bridge, rules, names, a published port. It
// prints a line when all is there, and takes it away at the end of its input.
#include <unistd.h>

#include <iostream>

#include "network/dns.h"
#include "network/firewall.h"
#include "network/links.h"
#include "network/ports.h"

namespace {

using namespace hako;
using namespace hako::network;

constexpr int kNames = 1000;

NetworkConfig bench_network() {
    NetworkConfig network{.id = "bench", .name = "bench", .bridge = "hk-bench"};
    const Cidr subnet{Address::v4(10, 77, 0, 0), 16};
    network.v4 = Subnet{subnet, Address::v4(10, 77, 0, 1), {}};
    return network;
}

Endpoint container(std::uint8_t number, std::vector<PortBinding> ports) {
    Endpoint endpoint{.container = fmt::format("container{}", number), .network = "bench"};
    endpoint.name = fmt::format("c{}", number);
    endpoint.v4 = Address::v4(10, 77, 0, number);
    endpoint.mac = Mac::of(*endpoint.v4);
    endpoint.tap = fmt::format("hkt{}", number);
    endpoint.ports = std::move(ports);
    return endpoint;
}

// rules: whether the firewall is applied; without it this is a plain bridge to compare with.
Result<void> serve(bool rules, const std::string& resolv_conf) {
    const NetworkConfig network = bench_network();
    HAKO_TRY(const auto links, open_host_network("bench"));
    HAKO_TRY(const auto firewall, open_firewall("bench"));
    HAKO_TRY(const auto ports, start_ports());
    HAKO_TRY(const auto names, start_dns({.resolv_conf = resolv_conf}));
    HAKO_CHECK(links->enable_forwarding(Family::v4));
    HAKO_CHECK(links->ensure_bridge(bridge_spec(network)));
    HAKO_TRY(const auto bound,
             ports->reserve("container2", "c2", {{.host_port = 8080, .container_port = 5201}}));
    HAKO_CHECK(ports->forward("container2", Address::v4(10, 77, 0, 2), {}));
    const std::vector<Endpoint> endpoints{container(2, bound), container(3, {})};
    if (rules) HAKO_CHECK(firewall->apply({{network}, endpoints}));
    NameTable table = name_table({network}, endpoints);
    for (int i = 0; i < kNames; ++i)
        table["bench"].hosts.push_back(
            {fmt::format("many{}", i), {fmt::format("name{}", i)}, {Address::v4(10, 77, 0, 3)}});
    HAKO_CHECK(names->set(std::move(table)));
    std::cout << "ready" << std::endl;
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    if (rules) HAKO_CHECK(firewall->remove());
    return links->recover({});
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: bench_network_host rules|plain RESOLV_CONF\n";
        return 2;
    }
    const auto served = serve(std::string_view(argv[1]) == "rules", argv[2]);
    if (!served) std::cerr << served.error().message() << "\n";
    return served ? 0 : 1;
}
