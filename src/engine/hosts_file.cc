#include "engine/hosts_file.h"

#include <arpa/inet.h>

namespace hako::engine {
namespace {

constexpr std::string_view kHostGateway = "host-gateway";

}  // namespace

std::string hostname_of(const Container& container) {
    return container.config.hostname.empty() ? container.id.substr(0, 12)
                                             : container.config.hostname;
}

Result<void> check_extra_hosts(const std::vector<std::string>& hosts) {
    for (const std::string& host : hosts) {
        const auto colon = host.find(':');
        in6_addr address{};
        const std::string text = colon == std::string::npos ? "" : host.substr(colon + 1);
        const bool is_address = text == kHostGateway ||
                                ::inet_pton(AF_INET, text.c_str(), &address) == 1 ||
                                ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
        if (colon == 0 || !is_address || host.find_first_of(" \t\r\n") != std::string::npos ||
            host.find('\0') != std::string::npos)
            return fail(ErrorKind::invalid,
                        "ExtraHosts: invalid IP address in add-host: \"{}\": use name:address",
                        host.substr(0, 64));
    }
    return {};
}

std::string hosts_file(const Container& container, const HostsEntries& entries) {
    const std::string name = hostname_of(container);
    const std::string& domain = container.config.domainname;
    std::string text =
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::\tip6-localnet\n"
        "ff00::\tip6-mcastprefix\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n";
    for (const std::string& host : container.host_config.extra_hosts) {
        const auto colon = host.find(':');
        std::string address = host.substr(colon + 1);
        if (address == kHostGateway) address = entries.gateway;
        if (!address.empty()) text += fmt::format("{}\t{}\n", address, host.substr(0, colon));
    }
    // Behind the user's, who may call something else by the container's name.
    const auto own = domain.empty() ? name : fmt::format("{}.{} {}", name, domain, name);
    if (entries.addresses.empty()) text += fmt::format("127.0.0.1\t{}\n", own);
    for (const auto& address : entries.addresses) text += fmt::format("{}\t{}\n", address, own);
    return text;
}

}  // namespace hako::engine
