// Docker's log drivers, as far as a container's output goes to a file.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"
#include "runtime/log_rotation.h"

namespace hako::engine {

// Those that write what can be read again, as `info` lists them.
const std::vector<std::string>& log_drivers();
// ErrorKind::invalid for an unknown driver or option and for a value out of range; unimplemented
// for drivers that are not offered.
Result<runtime::LogLimits> log_limits(const HostConfig& config);
// Whether `logs` may be read: with the driver none they are only for those who are attached.
Result<void> check_logs_readable(const HostConfig& config);
// What `logs --details` puts before each line, as the options labels and env choose:
// "role=web,A=1 "; empty without.
std::string log_details(const Container& container);

}  // namespace hako::engine
