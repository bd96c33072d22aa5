// Docker's legacy links: variables of containers that a container on the default network is linked
// to (Docker's manual, "Legacy container links", "Environment variables").
#include "engine/links.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <span>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "engine/context.h"
#include "oci/runtime_spec.h"

namespace hako::engine {
namespace {

struct Port {
    int number = 0;
    std::string protocol;
};

// By number; TCP comes first.
std::vector<Port> sorted(const std::vector<std::string>& texts) {
    std::vector<Port> ports;
    for (const std::string& text : texts) {
        const auto slash = text.find('/');
        ports.push_back(
            {std::atoi(text.c_str()), slash == std::string::npos ? "tcp" : text.substr(slash + 1)});
    }
    std::ranges::sort(ports, [](const Port& a, const Port& b) {
        return std::pair(a.number, a.protocol != "tcp") < std::pair(b.number, b.protocol != "tcp");
    });
    return ports;
}

class Variables {
public:
    Variables(std::string_view alias, std::string address)
        : prefix_(to_upper(alias)), address_(std::move(address)) {
        std::ranges::replace(prefix_, '-', '_');
    }

    void add(std::string_view name, std::string_view value) {
        list_.push_back(fmt::format("{}_{}={}", prefix_, name, value));
    }
    void add_url(std::string_view name, const Port& port) {
        add(name, fmt::format("{}://{}:{}", port.protocol, address_, port.number));
    }
    void add_port(const Port& port) {
        const auto name = name_of(port);
        add_url(name, port);
        add(name + "_ADDR", address_);
        add(name + "_PORT", std::to_string(port.number));
        add(name + "_PROTO", port.protocol);
    }
    // Three or more whose numbers follow each other have an end, too.
    void add_range(const Port& first, const Port& last) {
        const auto name = name_of(first);
        add_url(name + "_START", first);
        add(name + "_PORT_START", std::to_string(first.number));
        add_url(name + "_END", last);
        add(name + "_PORT_END", std::to_string(last.number));
    }
    std::vector<std::string> take() { return std::move(list_); }

private:
    static std::string name_of(const Port& port) {
        return fmt::format("PORT_{}_{}", port.number, to_upper(port.protocol));
    }

    std::string prefix_;
    const std::string address_;
    std::vector<std::string> list_;
};

std::size_t run_of(std::span<const Port> ports) {
    std::size_t length = 1;
    while (length < ports.size() && ports[length].protocol == ports.front().protocol &&
           ports[length].number == ports[length - 1].number + 1)
        ++length;
    return length;
}

bool is_on_default_network(const HostConfig& config) {
    const std::string& mode = config.network_mode;
    return mode.empty() || mode == "default" || mode == kDefaultNetwork;
}

// Its end in the list, if it has none there.
std::vector<Attachment>::const_iterator find_default(const std::vector<Attachment>& list) {
    return std::ranges::find(list, kDefaultNetwork, &Attachment::network_name);
}

}  // namespace

std::vector<std::string> link_variables(const Link& link) {
    Variables variables(link.alias, link.address);
    const auto ports = sorted(link.ports);
    if (!ports.empty()) variables.add_url("PORT", ports.front());
    for (std::span<const Port> rest = ports; !rest.empty();) {
        const std::size_t length = run_of(rest);
        if (length > 2) variables.add_range(rest.front(), rest[length - 1]);
        for (const Port& port : rest.first(length)) variables.add_port(port);
        rest = rest.subspan(length);
    }
    variables.add("NAME", fmt::format("/{}/{}", link.container, link.alias));
    for (const std::string& variable : link.env) {
        const auto equals = variable.find('=');
        const auto name = variable.substr(0, equals);
        if (equals != std::string::npos && name != "HOME" && name != "PATH")
            variables.add("ENV_" + name, variable.substr(equals + 1));
    }
    return variables.take();
}

std::vector<std::string> linked_environment(const Context& context, const Container& container) {
    std::vector<std::string> all;
    if (!is_on_default_network(container.host_config)) return container.config.env;
    for (const std::string& text : container.host_config.links) {
        const auto target = context.registry.find(text.substr(0, text.find(':')));
        if (!target) continue;
        const auto there = context.networks->attachments((*target)->id);
        const auto one = find_default(there);
        if (one == there.end() || !one->live()) continue;
        const ContainerConfig config = (*target)->live.lock()->container.config;
        auto some = link_variables({.container = container.name,
                                    .alias = text.substr(text.find(':') + 1),
                                    .address = one->ipv4,
                                    .ports = config.exposed_ports,
                                    .env = config.env});
        std::ranges::move(some, std::back_inserter(all));
    }
    return oci::merge_environment(std::move(all), container.config.env);
}

Result<void> check_links(const Context& context, const HostConfig& config) {
    if (!is_on_default_network(config)) return {};
    for (const std::string& link : config.links) {
        const std::string target = link.substr(0, link.find(':'));
        const auto found = context.registry.find(target);
        if (!found)
            return fail(ErrorKind::invalid, "could not get container for {}: {}", target,
                        found.error().message());
        const auto there = context.networks->attachments((*found)->id);
        if (find_default(there) == there.end())
            return fail(ErrorKind::invalid,
                        "Cannot link to {}, as it does not belong to the default network: have "
                        "both on a network of their own",
                        target);
    }
    return {};
}

}  // namespace hako::engine
