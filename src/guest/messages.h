// Values of agent_client.h <-> messages of proto/agent.proto.
#pragma once

#include "guest/agent_client.h"
#include "proto/agent.pb.h"

namespace hako::guest {

agent::v1::Mount to_message(const Mount& mount);
agent::v1::ConfigureNetworkRequest to_message(const Network& network);
agent::v1::Socket to_message(const Socket& socket);
ProcessExit from_message(const agent::v1::ExitStatus& message);
PathStat from_message(const agent::v1::PathStat& message);

}  // namespace hako::guest
