// Networks and containers' places on them, as the API writes and reads them.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "dockerapi/version.h"
#include "engine/types.h"

namespace hako::dockerapi {

Json network_details(const engine::Network& network);
// A container's NetworkSettings; and what a list says of them. Before 1.45 the aliases have its
// short id and its host name, too, as from dockerd.
Json network_settings(const engine::Container& container, ApiVersion version);
Json attached_networks(const engine::Container& container);
Json port_summaries(const engine::Container& container);

// The body of POST /networks/create.
Result<engine::NetworkRequest> parse_network(const Json& body);
// An EndpointConfig; null is none.
Result<engine::EndpointSettings> parse_endpoint(const Json& json);
// NetworkingConfig of a container that is created.
Result<std::map<std::string, engine::EndpointSettings>> parse_networking(const Json& networking);
// HostConfig.PortBindings.
Result<std::vector<engine::PublishedPort>> parse_port_bindings(const Json& host);
// "80/tcp" of ExposedPorts' and PortBindings' keys; "80" is "80/tcp".
Result<std::string> parse_port(std::string_view field, std::string_view text);

}  // namespace hako::dockerapi
