#include "dockerapi/network_json.h"

#include "dockerapi/container_request.h"

#include "base/units.h"

namespace hako::dockerapi {
namespace {

using engine::Attachment;

constexpr std::string_view kBridge = "bridge";

Json ipam_details(const engine::Network& network) {
    Json ranges = Json::array();
    for (const auto& range : network.ranges) {
        Json entry{{"Subnet", range.subnet}, {"Gateway", range.gateway}};
        if (!range.ip_range.empty()) entry["IPRange"] = range.ip_range;
        if (!range.auxiliary.empty()) entry["AuxiliaryAddresses"] = range.auxiliary;
        ranges.push_back(std::move(entry));
    }
    return {{"Driver", "default"}, {"Options", network.ipam_options}, {"Config", ranges}};
}

Json list_or_null(const std::vector<std::string>& list) {
    return list.empty() ? Json(nullptr) : Json(list);
}

void add_once(std::vector<std::string>& list, const std::string& name) {
    if (std::ranges::find(list, name) == list.end()) list.push_back(name);
}

std::string short_id(const engine::Container& container) { return container.id.substr(0, 12); }

Json endpoint_details(const engine::Container& container, const Attachment& one) {
    const engine::EndpointSettings& wanted = one.wanted;
    Json ipam = nullptr;
    if (!wanted.ipv4.empty()) ipam["IPv4Address"] = wanted.ipv4;
    if (!wanted.ipv6.empty()) ipam["IPv6Address"] = wanted.ipv6;
    std::vector<std::string> names{container.name};
    for (const auto& alias : wanted.aliases) add_once(names, alias);
    add_once(names, short_id(container));
    if (!container.config.hostname.empty()) add_once(names, container.config.hostname);
    return {
        {"IPAMConfig", ipam},
        {"Links", list_or_null(wanted.links)},
        {"Aliases", list_or_null(wanted.aliases)},
        {"MacAddress", one.live() ? one.mac : wanted.mac},
        {"DriverOpts", wanted.driver_options.empty() ? Json(nullptr) : Json(wanted.driver_options)},
        {"GwPriority", wanted.gateway_priority},
        {"NetworkID", one.network_id},
        {"EndpointID", one.endpoint_id},
        {"Gateway", one.gateway},
        {"IPAddress", one.ipv4},
        {"IPPrefixLen", one.prefix},
        {"IPv6Gateway", one.gateway_ipv6},
        {"GlobalIPv6Address", one.ipv6},
        {"GlobalIPv6PrefixLen", one.prefix_ipv6},
        {"DNSNames", names}};
}

// Exposed ports are null, published ones a list.
Json ports_of(const engine::Container& container) {
    Json ports = Json::object();
    if (!container.state.running()) return ports;
    for (const auto& port : container.config.exposed_ports) ports[port] = nullptr;
    const auto add = [&](const std::vector<engine::PublishedPort>& published) {
        for (const auto& port : published)
            ports[port.container_port].push_back(
                {{"HostIp", port.host_ip}, {"HostPort", port.host_port}});
    };
    for (const Attachment& one : container.networks) add(one.ports);
    add(container.state.ports);
    return ports;
}

std::pair<int, std::string> split_port(const std::string& text) {
    const auto slash = text.find('/');
    return {std::atoi(text.c_str()), slash == text.npos ? "tcp" : text.substr(slash + 1)};
}

Result<void> read_ranges(const Json& body, engine::NetworkRequest& request) {
    HAKO_TRY(const auto ipam, json_field_or(body, "IPAM", Json::object()));
    std::string driver;
    HAKO_CHECK(read_field(ipam, "Driver", driver));
    if (!driver.empty() && driver != "default")
        return fail(ErrorKind::invalid, "IPAM driver \"{}\" is not offered: use default",
                    driver.substr(0, 64));
    HAKO_CHECK(read_field(ipam, "Options", request.ipam_options));
    HAKO_TRY(const auto ranges, json_field_or<std::vector<Json>>(ipam, "Config", {}));
    for (const Json& entry : ranges) {
        engine::IpamRange range;
        HAKO_CHECK(read_field(entry, "Subnet", range.subnet));
        HAKO_CHECK(read_field(entry, "IPRange", range.ip_range));
        HAKO_CHECK(read_field(entry, "Gateway", range.gateway));
        HAKO_CHECK(read_field(entry, "AuxiliaryAddresses", range.auxiliary));
        if (range.subnet.empty() && (!range.gateway.empty() || !range.ip_range.empty()))
            return fail(ErrorKind::invalid,
                        "IPAM: a gateway or range needs the subnet that it is in");
        if (!range.subnet.empty()) request.ranges.push_back(std::move(range));
    }
    return {};
}

}  // namespace

Json network_details(const engine::Network& network) {
    Json containers = Json::object();
    for (const auto& [id, member] : network.members)
        containers[id] = {{"Name", member.name},
                          {"EndpointID", member.endpoint_id},
                          {"MacAddress", member.mac},
                          {"IPv4Address", member.ipv4},
                          {"IPv6Address", member.ipv6}};
    return {{"Name", network.name},
            {"Id", network.id},
            {"Created", format_time(network.created)},
            {"Scope", "local"},
            {"Driver", network.driver},
            {"EnableIPv4", true},
            {"EnableIPv6", network.enable_ipv6},
            {"IPAM", ipam_details(network)},
            {"Internal", network.internal},
            {"Attachable", network.attachable},
            {"Ingress", false},
            {"ConfigFrom", {{"Network", ""}}},
            {"ConfigOnly", false},
            {"Containers", containers},
            {"Options", network.options},
            {"Labels", network.labels}};
}

Json attached_networks(const engine::Container& container) {
    Json networks = Json::object();
    for (const Attachment& one : container.networks)
        networks[one.network_name] = endpoint_details(container, one);
    return networks;
}

Json inspected_networks(const engine::Container& container, ApiVersion version) {
    Json networks = Json::object();
    for (Attachment one : container.networks) {
        if (version < ApiVersion{1, 45} && one.network_name != kBridge) {
            add_once(one.wanted.aliases, short_id(container));
            if (!container.config.hostname.empty())
                add_once(one.wanted.aliases, container.config.hostname);
        }
        networks[one.network_name] = endpoint_details(container, one);
    }
    return networks;
}

Json network_settings(const engine::Container& container, ApiVersion version) {
    // Docker repeats the default network's endpoint outside of the list.
    Attachment first;
    for (const Attachment& one : container.networks)
        if (one.network_name == kBridge) first = one;
    return {{"Bridge", ""},
            {"SandboxID", ""},
            {"SandboxKey", ""},
            {"Ports", ports_of(container)},
            {"HairpinMode", false},
            {"LinkLocalIPv6Address", ""},
            {"LinkLocalIPv6PrefixLen", 0},
            {"SecondaryIPAddresses", nullptr},
            {"SecondaryIPv6Addresses", nullptr},
            {"EndpointID", first.endpoint_id},
            {"Gateway", first.gateway},
            {"GlobalIPv6Address", first.ipv6},
            {"GlobalIPv6PrefixLen", first.prefix_ipv6},
            {"IPAddress", first.ipv4},
            {"IPPrefixLen", first.prefix},
            {"IPv6Gateway", first.gateway_ipv6},
            {"MacAddress", first.mac},
            {"Networks", inspected_networks(container, version)}};
}

Json port_summaries(const engine::Container& container) {
    Json list = Json::array();
    const Json ports = ports_of(container);
    for (const auto& [text, bindings] : ports.items()) {
        const auto [number, protocol] = split_port(text);
        if (bindings.is_null()) list.push_back({{"PrivatePort", number}, {"Type", protocol}});
        for (const Json& binding : bindings)
            list.push_back(
                {{"IP", binding["HostIp"]},
                 {"PrivatePort", number},
                 {"PublicPort", std::atoi(binding["HostPort"].get<std::string>().c_str())},
                 {"Type", protocol}});
    }
    return list;
}

Result<engine::NetworkRequest> parse_network(const Json& body) {
    engine::NetworkRequest request;
    HAKO_CHECK(read_field(body, "Name", request.name));
    HAKO_CHECK(read_field(body, "Driver", request.driver));
    if (request.driver.empty()) request.driver = "bridge";
    HAKO_CHECK(read_field(body, "Internal", request.internal));
    HAKO_CHECK(read_field(body, "Attachable", request.attachable));
    HAKO_CHECK(read_field(body, "EnableIPv6", request.enable_ipv6));
    bool has_ipv4 = true;
    HAKO_CHECK(read_field(body, "EnableIPv4", has_ipv4));
    if (!has_ipv4)
        return fail(ErrorKind::unimplemented,
                    "networks without IPv4 are not offered by hako: leave out --ipv4=false");
    HAKO_CHECK(read_field(body, "Options", request.options));
    HAKO_CHECK(read_field(body, "Labels", request.labels));
    HAKO_CHECK(read_ranges(body, request));
    std::string scope;
    HAKO_CHECK(read_field(body, "Scope", scope));
    bool swarm = !scope.empty() && scope != "local";
    if (!swarm) HAKO_CHECK(read_field(body, "Ingress", swarm));
    bool config_only = false;
    HAKO_CHECK(read_field(body, "ConfigOnly", config_only));
    if (config_only)
        return fail(ErrorKind::unimplemented,
                    "networks that only configure others are not offered by hako: leave out "
                    "--config-only");
    if (swarm) return fail(ErrorKind::unimplemented, "networks for swarms are not offered by hako");
    return request;
}

Result<engine::EndpointSettings> parse_endpoint(const Json& json) {
    engine::EndpointSettings settings;
    if (json.is_null()) return settings;
    if (!json.is_object()) return fail(ErrorKind::invalid, "field EndpointConfig has a wrong type");
    HAKO_TRY(const auto ipam, json_field_or(json, "IPAMConfig", Json::object()));
    HAKO_CHECK(read_field(ipam, "IPv4Address", settings.ipv4));
    HAKO_CHECK(read_field(ipam, "IPv6Address", settings.ipv6));
    std::vector<std::string> link_local;
    HAKO_CHECK(read_field(ipam, "LinkLocalIPs", link_local));
    if (!link_local.empty())
        return fail(ErrorKind::unimplemented,
                    "link-local addresses are not offered by hako: leave out link-local-ip");
    HAKO_CHECK(read_field(json, "Links", settings.links));
    HAKO_CHECK(read_field(json, "Aliases", settings.aliases));
    HAKO_CHECK(read_field(json, "MacAddress", settings.mac));
    HAKO_CHECK(read_field(json, "DriverOpts", settings.driver_options));
    HAKO_CHECK(read_field(json, "GwPriority", settings.gateway_priority));
    for (const auto& alias : settings.aliases)
        if (alias.empty() || alias.size() > 253 ||
            alias.find_first_of(std::string_view(" \t\r\n\0/", 6)) != std::string::npos)
            return fail(ErrorKind::invalid, "\"{}\" cannot be a network alias",
                        alias.substr(0, 64));
    return settings;
}

Result<std::map<std::string, engine::EndpointSettings>> parse_networking(const Json& networking) {
    std::map<std::string, engine::EndpointSettings> wanted;
    const auto endpoints = networking.find("EndpointsConfig");
    if (endpoints == networking.end() || endpoints->is_null()) return wanted;
    if (!endpoints->is_object())
        return fail(ErrorKind::invalid, "field NetworkingConfig.EndpointsConfig has a wrong type");
    for (const auto& [name, config] : endpoints->items()) {
        HAKO_TRY(wanted[name], with_context(parse_endpoint(config), "field EndpointsConfig"));
    }
    return wanted;
}

Result<std::string> parse_port(std::string_view field, std::string_view text) {
    const auto slash = std::min(text.find('/'), text.size());
    const std::string protocol(slash < text.size() ? text.substr(slash + 1) : "tcp");
    const std::string number(text.substr(0, slash));
    const bool digits = !number.empty() && number.size() <= 5 &&
                        number.find_first_not_of("0123456789") == std::string::npos;
    const int port = digits ? std::atoi(number.c_str()) : 0;
    if (port < 1 || port > 65535 || (protocol != "tcp" && protocol != "udp" && protocol != "sctp"))
        return fail(ErrorKind::invalid, "field {}: \"{}\" is no port such as 80/tcp", field,
                    text.substr(0, 64));
    return fmt::format("{}/{}", port, protocol);
}

Result<std::vector<engine::PublishedPort>> parse_port_bindings(const Json& host) {
    std::vector<engine::PublishedPort> ports;
    HAKO_TRY(const auto bindings, json_field_or(host, "PortBindings", Json::object()));
    for (const auto& [text, list] : bindings.items()) {
        HAKO_TRY(const auto port, parse_port("PortBindings", text));
        if (list.is_null()) continue;
        if (!list.is_array())
            return fail(ErrorKind::invalid, "field PortBindings has a wrong type");
        // An empty list asks for a random port, as an empty binding does.
        if (list.empty()) ports.push_back({port, "", ""});
        for (const Json& item : list) {
            engine::PublishedPort wanted{port, "", ""};
            const auto read = [&]() -> Result<void> {
                HAKO_CHECK(read_field(item, "HostIp", wanted.host_ip));
                return read_field(item, "HostPort", wanted.host_port);
            };
            HAKO_CHECK(with_context(read(), "field PortBindings"));
            ports.push_back(std::move(wanted));
        }
    }
    return ports;
}

}  // namespace hako::dockerapi
