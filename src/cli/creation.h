// Making containers and starting them, with the words and exit statuses of docker.
#pragma once

#include <string>

#include "cli/flags/container_flags.h"
#include "cli/session.h"

namespace hako::cli {

// Creates the container, pulling its image when it is missing; its id.
Result<std::string> create_container(Session& session, const Api& api, const ContainerFlags& flags,
                                     const Json& body);
// exec_not_found and exec_failed: its process cannot run.
Result<void> start_container(const Api& api, const std::string& id);

}  // namespace hako::cli
