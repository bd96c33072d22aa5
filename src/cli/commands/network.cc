// hako network, and hako port
#include "cli/commands/commands.h"
#include "cli/commands/each.h"
#include "cli/commands/filters.h"
#include "cli/commands/prune.h"
#include "cli/flags/values.h"
#include "cli/output/listing.h"
#include "cli/output/text.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct CreateNetworkOptions {
    std::string driver = "bridge";
    std::vector<std::string> subnets, gateways, ranges, auxiliary, labels, options;
    bool ipv6 = false, internal = false, attachable = false;
};

bool is_ipv6(std::string_view text) { return text.find(':') != std::string_view::npos; }

// A subnet with the gateway, range and reserved addresses of its family.
Result<Json> ipam_config(const CreateNetworkOptions& options) {
    Json config = Json::array();
    HAKO_TRY(const Json auxiliary, parse_pairs(options.auxiliary));
    for (const auto& subnet : options.subnets) {
        Json entry{{"Subnet", subnet}};
        for (const auto& gateway : options.gateways)
            if (is_ipv6(gateway) == is_ipv6(subnet)) entry["Gateway"] = gateway;
        for (const auto& range : options.ranges)
            if (is_ipv6(range) == is_ipv6(subnet)) entry["IPRange"] = range;
        for (const auto& [name, address] : auxiliary.items())
            if (is_ipv6(address.get<std::string>()) == is_ipv6(subnet))
                entry["AuxiliaryAddresses"][name] = address;
        config.push_back(std::move(entry));
    }
    if (config.empty() && (!options.gateways.empty() || !options.ranges.empty()))
        return fail(ErrorKind::invalid, "--gateway and --ip-range need the --subnet they are in");
    return config;
}

Result<int> create_network(Session& session, const CreateNetworkOptions& options,
                           const std::string& name) {
    Json body{{"Name", name},
              {"Driver", options.driver},
              {"Internal", options.internal},
              {"Attachable", options.attachable},
              {"EnableIPv6", options.ipv6}};
    HAKO_TRY(body["IPAM"]["Config"], ipam_config(options));
    HAKO_TRY(body["Options"], parse_pairs(options.options));
    HAKO_TRY(body["Labels"], parse_pairs(options.labels));
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto made, api->post("/networks/create", {}, body));
    session.io.print_line(made.value("Id", std::string()));
    return 0;
}

struct ListNetworksOptions {
    std::string format;
    bool quiet = false, full = false;
    std::vector<std::string> filters;
};

Result<int> list_networks(Session& session, const ListNetworksOptions& options) {
    HAKO_TRY(const auto encoded, encode_filters(options.filters));
    http::Query query;
    if (!encoded.empty()) query.add("filters", encoded);
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto networks, api->get("/networks", query));
    std::vector<ListedItem> items;
    for (const auto& network : networks) {
        const auto id = network.value("Id", std::string());
        constexpr std::size_t kShortId = 12;
        items.push_back({{{"ID", options.full ? id : id.substr(0, kShortId)},
                          {"Name", network.value("Name", std::string())},
                          {"Driver", network.value("Driver", std::string())},
                          {"Scope", network.value("Scope", std::string())},
                          {"Internal", network.value("Internal", false) ? "true" : "false"},
                          {"IPv6", network.value("EnableIPv6", false) ? "true" : "false"},
                          {"CreatedAt", network.value("Created", std::string())}},
                         {{"Label", network.value("Labels", Json::object())}}});
    }
    const ListingStyle style{
        {{"ID", "NETWORK ID"}, {"Name", "NAME"}, {"Driver", "DRIVER"}, {"Scope", "SCOPE"}},
        {},
        "ID"};
    HAKO_TRY(const auto text, format_listing(items, style, options.format, options.quiet));
    session.io.print(text);
    return 0;
}

struct ConnectOptions {
    std::string ipv4, ipv6, mac;
    std::vector<std::string> aliases, links, driver_options;
};

Result<int> connect(Session& session, const ConnectOptions& options,
                    const std::vector<std::string>& names) {
    Json endpoint = Json::object();
    if (!options.ipv4.empty()) endpoint["IPAMConfig"]["IPv4Address"] = options.ipv4;
    if (!options.ipv6.empty()) endpoint["IPAMConfig"]["IPv6Address"] = options.ipv6;
    if (!options.mac.empty()) endpoint["MacAddress"] = options.mac;
    if (!options.aliases.empty()) endpoint["Aliases"] = options.aliases;
    if (!options.links.empty()) endpoint["Links"] = options.links;
    HAKO_TRY(auto driver_options, parse_pairs(options.driver_options));
    if (!driver_options.empty()) endpoint["DriverOpts"] = std::move(driver_options);
    HAKO_TRY(const auto* api, session.api());
    HAKO_CHECK(api->post(fmt::format("/networks/{}/connect", names[0]), {},
                         {{"Container", names[1]}, {"EndpointConfig", endpoint}}));
    return 0;
}

Result<int> disconnect(Session& session, bool force, const std::vector<std::string>& names) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_CHECK(api->post(fmt::format("/networks/{}/disconnect", names[0]), {},
                         {{"Container", names[1]}, {"Force", force}}));
    return 0;
}

Command create_network_command() {
    auto options = std::make_shared<CreateNetworkOptions>();
    Command command("create", "Create a network");
    command.option("-d,--driver", options->driver, "bridge, or macvlan for addresses of the LAN");
    command.option("--subnet", options->subnets, "Subnet in CIDR format, one of each family");
    command.option("--gateway", options->gateways, "The bridge's own address in the subnet");
    command.option("--ip-range", options->ranges, "Where addresses are given out from");
    command.option("--aux-address", options->auxiliary, "An address to leave alone: NAME=IP");
    command.flag("--ipv6", options->ipv6, "Give containers IPv6 addresses, too");
    command.flag("--internal", options->internal, "Without a way to the outside");
    command.flag("--attachable", options->attachable, "Accepted: every network is attachable");
    command.option("--label", options->labels, "Set metadata on the network");
    command.option("-o,--opt", options->options, "Driver options: KEY=VALUE");
    command.arguments("NETWORK", 1, 1);
    command.action([options](Session& session, const auto& names) {
        return create_network(session, *options, names.front());
    });
    return command;
}

Command list_networks_command() {
    auto options = std::make_shared<ListNetworksOptions>();
    Command command("ls", "List networks");
    command.option("-f,--filter", options->filters, "Filter output: name=, id=, driver=, label=");
    command.option("--format", options->format,
                   "Format output: table, json, a Go template, or \"table TEMPLATE\"");
    command.flag("--no-trunc", options->full, "Do not truncate the output");
    command.flag("-q,--quiet", options->quiet, "Only show ids");
    command.arguments("", 0, 0);
    command.action(
        [options](Session& session, const auto&) { return list_networks(session, *options); });
    return command;
}

Command connect_command() {
    auto options = std::make_shared<ConnectOptions>();
    Command command("connect", "Connect a container to a network");
    command.option("--ip", options->ipv4, "IPv4 address (172.30.100.104)");
    command.option("--ip6", options->ipv6, "IPv6 address (2001:db8::33)");
    command.option("--mac-address", options->mac, "MAC address");
    command.option("--alias", options->aliases, "Another name of the container in this network");
    command.option("--link", options->links, "Add link to another container");
    command.option("--driver-opt", options->driver_options, "Driver options: KEY=VALUE");
    command.arguments("NETWORK CONTAINER", 2, 2);
    command.action([options](Session& session, const auto& names) {
        return connect(session, *options, names);
    });
    return command;
}

Result<int> port(Session& session, const std::vector<std::string>& arguments) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto container, api->get(fmt::format("/containers/{}/json", arguments.front())));
    const auto ports = container.at("NetworkSettings").value("Ports", Json::object());
    std::string wanted = arguments.size() > 1 ? arguments[1] : "";
    if (!wanted.empty() && wanted.find('/') == std::string::npos) wanted += "/tcp";
    bool found = false;
    for (const auto& [name, bindings] : ports.items()) {
        if (!wanted.empty() && name != wanted) continue;
        for (const auto& binding : bindings) {
            found = true;
            const auto ip = binding.value("HostIp", std::string());
            const auto host = fmt::format("{}:{}", is_ipv6(ip) ? "[" + ip + "]" : ip,
                                          binding.value("HostPort", std::string()));
            session.io.print_line(wanted.empty() ? fmt::format("{} -> {}", name, host) : host);
        }
    }
    if (!found && !wanted.empty())
        return fail(ErrorKind::not_found, "no public port '{}' published for {}", wanted,
                    arguments.front());
    return 0;
}

}  // namespace

Command network_command() {
    Command group("network", "Manage networks");
    group.add(create_network_command());
    group.add(connect_command());
    {
        auto force = std::make_shared<bool>(false);
        Command command("disconnect", "Disconnect a container from a network");
        command.flag("-f,--force", *force, "Accepted for scripts");
        command.arguments("NETWORK CONTAINER", 2, 2);
        command.action([force](Session& session, const auto& names) {
            return disconnect(session, *force, names);
        });
        group.add(std::move(command));
    }
    group.add(inspect_command("network"));
    group.add(list_networks_command());
    group.add(prune_command({.noun = "network",
                             .title = "Networks",
                             .summary = "Remove all unused networks",
                             .filters = "label=, until=",
                             .unused = "all networks that no running container is on",
                             .tells_space = false}));
    {
        Command command("rm", "Remove one or more networks");
        command.arguments("NETWORK [NETWORK...]", 1);
        command.action([](Session& session, const auto& names) {
            return for_each_argument(
                session, names, [](const Api& api, const std::string& name) -> Result<std::string> {
                    HAKO_CHECK(api.remove(fmt::format("/networks/{}", name)));
                    return name;
                });
        });
        group.add(std::move(command));
    }
    return group;
}

Command port_command() {
    Command command("port", "List port mappings or a specific mapping for the container");
    command.arguments("CONTAINER [PRIVATE_PORT[/PROTO]]", 1, 2, Completes::running_containers);
    command.action(port);
    return command;
}

}  // namespace hako::cli
