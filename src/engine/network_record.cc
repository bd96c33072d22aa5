#include "engine/network_record.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace hako::engine {
namespace {

using Strings = std::vector<std::string>;
using Map = std::map<std::string, std::string>;

constexpr std::size_t kMostOfALink = 15;  // bytes of a link's name (IFNAMSIZ with its end)

Json to_json(const IpamRange& range) {
    return {{"subnet", range.subnet},
            {"ip_range", range.ip_range},
            {"gateway", range.gateway},
            {"auxiliary", range.auxiliary}};
}

Result<IpamRange> range_from_json(const Json& json) {
    IpamRange range;
    HAKO_TRY(range.subnet, json_field_or<std::string>(json, "subnet", {}));
    HAKO_TRY(range.ip_range, json_field_or<std::string>(json, "ip_range", {}));
    HAKO_TRY(range.gateway, json_field_or<std::string>(json, "gateway", {}));
    HAKO_TRY(range.auxiliary, json_field_or<Map>(json, "auxiliary", {}));
    return range;
}

Result<int> whole_number(std::string_view text, int least, int most) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
        return fail(ErrorKind::invalid, "\"{}\" is no number from {} to {}", text.substr(0, 64),
                    least, most);
    return value;
}

Result<std::uint16_t> port_number(std::string_view text, int least) {
    HAKO_TRY(const int value, with_context(whole_number(text, least, 65535), "published port"));
    return static_cast<std::uint16_t>(value);
}

Result<network::Subnet> to_subnet(const IpamRange& range) {
    network::Subnet subnet;
    HAKO_TRY(subnet.subnet, network::Cidr::parse(range.subnet));
    HAKO_TRY(subnet.gateway, network::Address::parse(range.gateway));
    if (!range.ip_range.empty()) {
        HAKO_TRY(subnet.ip_range, network::Cidr::parse(range.ip_range));
    }
    for (const auto& [name, text] : range.auxiliary) {
        HAKO_TRY(subnet.auxiliary[name], network::Address::parse(text));
    }
    return subnet;
}

// Of what is on by default, in the words that Docker takes for it.
Result<bool> switch_option(const Network& network, const std::string& key) {
    constexpr std::string_view kOn[] = {"", "1", "t", "T", "true", "TRUE", "True"};
    constexpr std::string_view kOff[] = {"0", "f", "F", "false", "FALSE", "False"};
    const auto found = network.options.find(key);
    if (found == network.options.end() || std::ranges::count(kOn, found->second) != 0) return true;
    if (std::ranges::count(kOff, found->second) != 0) return false;
    return fail(ErrorKind::invalid, "option {}: \"{}\" is neither true nor false", key,
                found->second.substr(0, 64));
}

// What Docker's bridges can be besides what ours are.
Result<void> check_modes(const Network& network) {
    constexpr std::string_view kPrefix = "com.docker.network.bridge.";
    for (const auto* name : {"gateway_mode_ipv4", "gateway_mode_ipv6"}) {
        const auto found = network.options.find(std::string(kPrefix) + name);
        if (found == network.options.end() || found->second.empty() || found->second == "nat")
            continue;
        return fail(ErrorKind::unimplemented,
                    "option {}: \"{}\" is not offered, networks are of the mode nat: for addresses "
                    "of the LAN use the driver macvlan, for no way out --internal, and for one "
                    "without translation {}enable_ip_masquerade=false",
                    found->first, found->second.substr(0, 64), kPrefix);
    }
    const auto key = std::string(kPrefix) + "inhibit_ipv4";
    HAKO_TRY(const bool inhibited, switch_option(network, key));
    if (network.options.contains(key) && inhibited)
        return fail(ErrorKind::unimplemented,
                    "option {} is not offered: the gateway's address is where hako answers names",
                    key);
    return {};
}

}  // namespace

Json to_json(const Network& network) {
    Json ranges = Json::array();
    for (const auto& range : network.ranges) ranges.push_back(to_json(range));
    return {{"id", network.id},
            {"name", network.name},
            {"driver", network.driver},
            {"created", network.created.time_since_epoch().count()},
            {"internal", network.internal},
            {"attachable", network.attachable},
            {"enable_ipv6", network.enable_ipv6},
            {"ranges", ranges},
            {"ipam_options", network.ipam_options},
            {"options", network.options},
            {"labels", network.labels}};
}

Result<Network> network_from_json(const Json& json) {
    Network network;
    HAKO_TRY(network.id, json_field_or<std::string>(json, "id", {}));
    HAKO_TRY(network.name, json_field_or<std::string>(json, "name", {}));
    HAKO_TRY(network.driver, json_field_or<std::string>(json, "driver", {}));
    HAKO_TRY(const auto created, json_field_or<std::int64_t>(json, "created", 0));
    network.created = WallTime(WallTime::duration(created));
    HAKO_TRY(network.internal, json_field_or(json, "internal", false));
    HAKO_TRY(network.attachable, json_field_or(json, "attachable", false));
    HAKO_TRY(network.enable_ipv6, json_field_or(json, "enable_ipv6", false));
    HAKO_TRY(const auto ranges, json_field_or(json, "ranges", Json::array()));
    for (const Json& item : ranges) {
        HAKO_TRY(auto range, range_from_json(item));
        network.ranges.push_back(std::move(range));
    }
    HAKO_TRY(network.ipam_options, json_field_or<Map>(json, "ipam_options", {}));
    HAKO_TRY(network.options, json_field_or<Map>(json, "options", {}));
    HAKO_TRY(network.labels, json_field_or<Map>(json, "labels", {}));
    return network;
}

Json to_json(const Attachment& attachment) {
    const EndpointSettings& wanted = attachment.wanted;
    Json json{{"network_id", attachment.network_id},
              {"network_name", attachment.network_name},
              {"wanted",
               {{"aliases", wanted.aliases},
                {"links", wanted.links},
                {"ipv4", wanted.ipv4},
                {"ipv6", wanted.ipv6},
                {"mac", wanted.mac},
                {"driver_options", wanted.driver_options},
                {"gateway_priority", wanted.gateway_priority}}}};
    if (!attachment.live()) return json;
    Json ports = Json::array();
    for (const auto& port : attachment.ports)
        ports.push_back({port.container_port, port.host_ip, port.host_port});
    json["live"] = {{"endpoint_id", attachment.endpoint_id},
                    {"ipv4", attachment.ipv4},
                    {"prefix", attachment.prefix},
                    {"gateway", attachment.gateway},
                    {"ipv6", attachment.ipv6},
                    {"prefix_ipv6", attachment.prefix_ipv6},
                    {"gateway_ipv6", attachment.gateway_ipv6},
                    {"mac", attachment.mac},
                    {"ports", ports},
                    {"interface", attachment.interface},
                    {"card", attachment.card},
                    {"changes", attachment.changes}};
    return json;
}

Result<Attachment> attachment_from_json(const Json& json) {
    Attachment attachment;
    HAKO_TRY(attachment.network_id, json_field_or<std::string>(json, "network_id", {}));
    HAKO_TRY(attachment.network_name, json_field_or<std::string>(json, "network_name", {}));
    HAKO_TRY(const Json wanted, json_field_or(json, "wanted", Json::object()));
    EndpointSettings& settings = attachment.wanted;
    HAKO_TRY(settings.aliases, json_field_or<Strings>(wanted, "aliases", {}));
    HAKO_TRY(settings.links, json_field_or<Strings>(wanted, "links", {}));
    HAKO_TRY(settings.ipv4, json_field_or<std::string>(wanted, "ipv4", {}));
    HAKO_TRY(settings.ipv6, json_field_or<std::string>(wanted, "ipv6", {}));
    HAKO_TRY(settings.mac, json_field_or<std::string>(wanted, "mac", {}));
    HAKO_TRY(settings.driver_options, json_field_or<Map>(wanted, "driver_options", {}));
    HAKO_TRY(settings.gateway_priority, json_field_or(wanted, "gateway_priority", 0));
    HAKO_TRY(const Json live, json_field_or(json, "live", Json::object()));
    HAKO_TRY(attachment.endpoint_id, json_field_or<std::string>(live, "endpoint_id", {}));
    HAKO_TRY(attachment.ipv4, json_field_or<std::string>(live, "ipv4", {}));
    HAKO_TRY(attachment.prefix, json_field_or(live, "prefix", 0));
    HAKO_TRY(attachment.gateway, json_field_or<std::string>(live, "gateway", {}));
    HAKO_TRY(attachment.ipv6, json_field_or<std::string>(live, "ipv6", {}));
    HAKO_TRY(attachment.prefix_ipv6, json_field_or(live, "prefix_ipv6", 0));
    HAKO_TRY(attachment.gateway_ipv6, json_field_or<std::string>(live, "gateway_ipv6", {}));
    HAKO_TRY(attachment.mac, json_field_or<std::string>(live, "mac", {}));
    HAKO_TRY(attachment.interface, json_field_or<std::string>(live, "interface", {}));
    HAKO_TRY(attachment.card, json_field_or<std::string>(live, "card", {}));
    HAKO_TRY(attachment.changes, json_field_or(live, "changes", false));
    HAKO_TRY(const auto ports, json_field_or<std::vector<Strings>>(live, "ports", {}));
    for (const Strings& port : ports) {
        if (port.size() != 3) return fail(ErrorKind::corrupt, "field ports has a wrong length");
        attachment.ports.push_back({port[0], port[1], port[2]});
    }
    return attachment;
}

Result<int> mtu_of(const Network& network) {
    const auto found = network.options.find("com.docker.network.driver.mtu");
    if (found == network.options.end()) return 1500;
    return with_context(whole_number(found->second, 576, 65535),
                        "option com.docker.network.driver.mtu");
}

Result<std::optional<network::Address>> published_address(const Network& network) {
    const std::string key = "com.docker.network.bridge.host_binding_ipv4";
    const auto found = network.options.find(key);
    if (found == network.options.end() || found->second.empty()) return std::nullopt;
    HAKO_TRY(const auto address,
             with_context(network::Address::parse(found->second), fmt::format("option {}", key)));
    return address;
}

Result<std::string> bridge_of(const Network& network) {
    const std::string key = "com.docker.network.bridge.name";
    const auto found = network.options.find(key);
    if (found == network.options.end() || found->second.empty())
        return network::bridge_name(network.id);
    const std::string& name = found->second;
    const auto is_bad = [](unsigned char c) {
        return std::isspace(c) != 0 || std::iscntrl(c) != 0 || c == '/' || c == ':';
    };
    // As the kernel has it: dev_valid_name().
    if (name.size() > kMostOfALink || name == "." || name == ".." ||
        std::ranges::any_of(name, is_bad))
        return fail(ErrorKind::invalid,
                    "option {}: \"{}\" is no name for a link: up to {} characters without blanks, "
                    "'/' and ':'",
                    key, name, kMostOfALink);
    if (name.starts_with("hk"))
        return fail(ErrorKind::invalid,
                    "option {}: names that begin with hk are those that hako chooses itself", key);
    return name;
}

Result<network::NetworkConfig> to_config(const Network& network) {
    network::NetworkConfig config;
    config.id = network.id;
    config.name = network.name;
    config.driver = network.driver;
    if (network.driver == network::driver_bridge) {
        HAKO_TRY(config.bridge, bridge_of(network));
    }
    if (const auto parent = network.options.find("parent"); parent != network.options.end())
        config.parent = parent->second;
    for (const IpamRange& range : network.ranges) {
        HAKO_TRY(auto subnet, to_subnet(range));
        (subnet.subnet.address.is_v4() ? config.v4 : config.v6) = std::move(subnet);
    }
    config.internal = network.internal;
    HAKO_TRY(config.masquerade,
             switch_option(network, "com.docker.network.bridge.enable_ip_masquerade"));
    HAKO_TRY(config.icc, switch_option(network, "com.docker.network.bridge.enable_icc"));
    HAKO_CHECK(published_address(network));
    HAKO_CHECK(check_modes(network));
    HAKO_TRY(config.mtu, mtu_of(network));
    config.options = network.options;
    return config;
}

std::vector<PublishedPort> wanted_ports(const Container& container) {
    std::vector<PublishedPort> wanted = container.host_config.port_bindings;
    if (!container.host_config.publish_all_ports) return wanted;
    for (const std::string& port : container.config.exposed_ports)
        if (std::ranges::none_of(wanted, [&](const auto& w) { return w.container_port == port; }))
            wanted.push_back({port, "", ""});
    return wanted;
}

Result<network::PortBinding> to_binding(const PublishedPort& port) {
    network::PortBinding binding;
    const std::string_view container = port.container_port;
    const auto slash = container.find('/');
    HAKO_TRY(binding.container_port, port_number(container.substr(0, slash), 1));
    HAKO_TRY(binding.protocol, network::parse_protocol(
                                   slash == container.npos ? "tcp" : container.substr(slash + 1)));
    if (!port.host_ip.empty()) {
        HAKO_TRY(binding.host_ip, network::Address::parse(port.host_ip));
    }
    if (port.host_port.empty()) return binding;
    const std::string_view host = port.host_port;
    const auto dash = host.find('-');
    HAKO_TRY(binding.host_port, port_number(host.substr(0, dash), 0));
    if (dash == host.npos) return binding;
    HAKO_TRY(binding.host_port_end, port_number(host.substr(dash + 1), binding.host_port));
    return binding;
}

PublishedPort to_published(const network::PortBinding& binding) {
    return {fmt::format("{}/{}", binding.container_port, network::to_string(binding.protocol)),
            network::to_string(binding.host_ip.value_or(network::Address())),
            std::to_string(binding.host_port)};
}

Result<network::Endpoint> to_endpoint(const Attachment& attachment, std::string_view container,
                                      std::string_view container_name) {
    network::Endpoint endpoint;
    endpoint.container = container;
    endpoint.network = attachment.network_id;
    endpoint.name = container_name;
    endpoint.aliases = attachment.wanted.aliases;
    if (!attachment.ipv4.empty()) {
        HAKO_TRY(endpoint.v4, network::Address::parse(attachment.ipv4));
    }
    if (!attachment.ipv6.empty()) {
        HAKO_TRY(endpoint.v6, network::Address::parse(attachment.ipv6));
    }
    HAKO_TRY(endpoint.mac, network::Mac::parse(attachment.mac));
    endpoint.tap = network::tap_name(container, attachment.network_id);
    for (const auto& port : attachment.ports) {
        HAKO_TRY(auto binding, to_binding(port));
        endpoint.ports.push_back(binding);
    }
    return endpoint;
}

}  // namespace hako::engine
