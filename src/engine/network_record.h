// Networks and attachments as the database keeps them (docs/formats/database.md), and as the values
// that network/ works with.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "engine/network_types.h"
#include "engine/types.h"
#include "network/types.h"

namespace hako::engine {

Json to_json(const Network& network);
Result<Network> network_from_json(const Json& json);
Json to_json(const Attachment& attachment);
Result<Attachment> attachment_from_json(const Json& json);

// What its bridge is called: by the option com.docker.network.bridge.name, else by its id.
Result<std::string> bridge_of(const Network& network);
// The ranges are complete: subnet and gateway are chosen.
Result<network::NetworkConfig> to_config(const Network& network);
// Where ports are published that name no address of the host; nullopt: on all of them.
Result<std::optional<network::Address>> published_address(const Network& network);
// Of one that is live.
Result<network::Endpoint> to_endpoint(const Attachment& attachment, std::string_view container,
                                      std::string_view container_name);
// What of its ports a container publishes: those of -p, and with -P all that are exposed.
std::vector<PublishedPort> wanted_ports(const Container& container);
// ErrorKind::invalid names the text.
Result<network::PortBinding> to_binding(const PublishedPort& port);
PublishedPort to_published(const network::PortBinding& binding);
// By its options, else 1500.
Result<int> mtu_of(const Network& network);

}  // namespace hako::engine
