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

// Of all its links to containers that run; none where it is on a network of the user's.
std::vector<std::string> link_variables(const Context& context, const Container& container);

}  // namespace hako::engine
