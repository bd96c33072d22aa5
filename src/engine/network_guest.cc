// What a guest is told of its networks: interfaces, routes, resolv.conf.
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "engine/endpoint_options.h"
#include "engine/networks.h"
#include "vmm/qemu/arguments.h"

namespace hako::engine {
namespace {

const Network* network_of(const std::map<std::string, Network>& networks,
                          const Attachment& attachment) {
    const auto found = networks.find(attachment.network_id);
    return found == networks.end() ? nullptr : &found->second;
}

// The one that the rest of the world is behind: of the highest priority, else the first.
const Attachment* way_out(const std::vector<Attachment>& attachments,
                          const std::map<std::string, Network>& networks,
                          std::string Attachment::*gateway) {
    const Attachment* best = nullptr;
    for (const Attachment& one : attachments) {
        const Network* network = network_of(networks, one);
        if (network == nullptr || network->internal || (one.*gateway).empty()) continue;
        if (best == nullptr || one.wanted.gateway_priority > best->wanted.gateway_priority)
            best = &one;
    }
    return best;
}

// What follows the keyword, of all its lines.
std::vector<std::string> values_of(std::string_view resolv_conf, std::string_view keyword) {
    std::vector<std::string> values;
    std::istringstream lines{std::string(resolv_conf)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        if (!(words >> word) || word != keyword) continue;
        while (words >> word) values.push_back(word);
    }
    return values;
}

bool is_loopback(const std::string& address) {
    return address.starts_with("127.") || address == "::1";
}

// Our DNS server on the first bridge; a LAN's container cannot reach it and asks the resolvers.
std::vector<std::string> nameservers(const Container& container,
                                     const std::vector<Attachment>& attachments,
                                     const std::map<std::string, Network>& networks,
                                     std::string_view host) {
    for (const Attachment& one : attachments)
        if (const Network* network = network_of(networks, one);
            network != nullptr && network->driver == network::driver_bridge)
            return {one.gateway.empty() ? one.gateway_ipv6 : one.gateway};
    if (!container.host_config.dns.empty()) return container.host_config.dns;
    auto servers = values_of(host, "nameserver");
    std::erase_if(servers, is_loopback);
    return servers;
}

std::string join(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, " "));
}

std::string resolv_conf(const Container& container, const std::vector<Attachment>& attachments,
                        const std::map<std::string, Network>& networks, std::string_view host) {
    const HostConfig& config = container.host_config;
    std::string text;
    for (const auto& server : nameservers(container, attachments, networks, host))
        text += fmt::format("nameserver {}\n", server);
    auto search = config.dns_search;
    if (search.empty()) search = values_of(host, "search");
    if (!search.empty() && search != std::vector<std::string>{"."})
        text += fmt::format("search {}\n", join(search));
    const auto options =
        config.dns_options.empty() ? std::vector<std::string>{"ndots:0"} : config.dns_options;
    return text + fmt::format("options {}\n", join(options));
}

runtime::NetworkSpec::Interface interface_of(const Attachment& one, unsigned mtu) {
    runtime::NetworkSpec::Interface interface {
        .name = one.interface, .addresses = {}, .mtu = mtu, .mac = one.mac
    };
    if (one.card != one.mac) interface.card = one.card;
    interface.sysctls = interface_sysctls(one);
    if (!one.ipv4.empty())
        interface.addresses.push_back(fmt::format("{}/{}", one.ipv4, one.prefix));
    if (!one.ipv6.empty())
        interface.addresses.push_back(fmt::format("{}/{}", one.ipv6, one.prefix_ipv6));
    return interface;
}

unsigned mtu_in(const Network* network) {
    constexpr unsigned kUsual = 1500;
    if (network == nullptr) return kUsual;
    const auto found = network->options.find("com.docker.network.driver.mtu");
    return found == network->options.end()
               ? kUsual
               : static_cast<unsigned>(std::strtoul(found->second.c_str(), nullptr, 10));
}

}  // namespace

std::string waiting_tap(std::string_view vm, std::string_view card) {
    return network::tap_name(vm, card);
}

void add_spare_card(vmm::MachineSpec& machine, const std::string& vm) {
    if (machine.nics.empty() || !vmm::has_room_for_spare(machine)) return;
    machine.nics.push_back(
        {waiting_tap(vm, vmm::kSpareCardMac), std::string(vmm::kSpareCardMac), true});
}

Joined describe_guest(const Container& container, const std::vector<Attachment>& attachments,
                      const std::map<std::string, Network>& networks,
                      std::string_view host_resolv_conf) {
    Joined joined;
    joined.resolv_conf = resolv_conf(container, attachments, networks, host_resolv_conf);
    if (attachments.empty()) return joined;
    for (const Attachment& one : attachments) {
        joined.nics.push_back({network::tap_name(container.id, one.network_id), one.card});
        joined.spec.interfaces.push_back(interface_of(one, mtu_in(network_of(networks, one))));
        for (const auto& address : {one.ipv4, one.ipv6})
            if (!address.empty()) joined.addresses.push_back(address);
    }
    for (const auto gateway : {&Attachment::gateway, &Attachment::gateway_ipv6})
        if (const Attachment* out = way_out(attachments, networks, gateway)) {
            if (joined.gateway.empty()) joined.gateway = out->*gateway;
            joined.spec.routes.push_back({"default", out->*gateway, ""});
        }
    if (joined.gateway.empty()) joined.gateway = attachments.front().gateway;
    return joined;
}

}  // namespace hako::engine
