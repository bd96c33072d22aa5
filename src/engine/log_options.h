// Docker's log drivers. A container's output always goes to a file, which `logs` and attach read;
// with journald each line goes to systemd's journal as well.
#pragma once

#include <string>
#include <vector>

#include "base/paths.h"
#include "base/result.h"
#include "engine/types.h"
#include "runtime/output_log.h"

namespace hako::engine {

// Those that write what can be read again, as `info` lists them.
const std::vector<std::string>& log_drivers();
// ErrorKind::invalid for an unknown driver or option and for a value out of range; unimplemented
// for drivers that are not offered.
Result<runtime::LogLimits> log_limits(const HostConfig& config);
// The container's log, checked as above. ErrorKind::unavailable where there is no journal for it.
Result<runtime::OutputLog::Setup> log_setup(
    const Container& container, const Layout& layout,
    const std::filesystem::path& journal = runtime::kJournalSocket);
// Whether `logs` may be read: with the driver none they are only for those who are attached.
Result<void> check_logs_readable(const HostConfig& config);
// What `logs --details` puts before each line, as the options labels, env, labels-regex, env-regex
// and tag choose: "A=1,role=web "; empty without.
std::string log_details(const Container& container);

}  // namespace hako::engine
