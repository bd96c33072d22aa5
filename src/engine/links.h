// Docker's legacy links (--link on the default network): what a container's processes are told of
// those that it is linked to. Their names are those of the network (networks.h).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"

namespace hako::engine {

struct Context;

struct Link {
    std::string container;  // who is told: its name
    std::string alias;
    std::string address;             // of the one that is told of, and
    std::vector<std::string> ports;  // that it exposes: "80/tcp"
    std::vector<std::string> env;    // "NAME=value"
};
// "DB_PORT=tcp://172.17.0.2:5432" and all that Docker sets.
std::vector<std::string> link_variables(const Link& link);

// Links on the default network are to containers that are there, and on it. ErrorKind::invalid.
Result<void> check_links(const Context& context, const HostConfig& config);

// Its own variables, over those of its links to containers that run; on a network of the user's
// links have none.
std::vector<std::string> linked_environment(const Context& context, const Container& container);

}  // namespace hako::engine
