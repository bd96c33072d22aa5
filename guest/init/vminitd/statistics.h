// Numbers about a container: its cgroup's, and its processes' from /proc.
#pragma once

#include "init/vminitd/cgroup.h"
#include "proto/agent.pb.h"

namespace hako::init {

// What a controller that is missing would tell is 0.
agent::v1::StatisticsResponse read_statistics(const Cgroup& cgroup);
// Processes that end meanwhile are passed over.
agent::v1::ListProcessesResponse list_processes(const Cgroup& cgroup);

}  // namespace hako::init
