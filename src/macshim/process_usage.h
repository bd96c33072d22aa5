// What a machine's QEMU has used up, as the host counts it: for `docker stats`.
#pragma once

#include <sys/types.h>

#include "base/result.h"
#include "proto/agent.pb.h"

namespace hako::macshim {

// Of the machine that this process runs. ErrorKind::not_found once it has ended.
Result<agent::v1::StatisticsResponse> process_usage(pid_t pid, unsigned cpus,
                                                    std::uint64_t memory_bytes);

}  // namespace hako::macshim
