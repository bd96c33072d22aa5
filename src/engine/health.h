// Health checks: what a probe's result makes of a container's health.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/types.h"

namespace hako::engine {

// Docker's object (Test, Interval, Timeout, StartPeriod, StartInterval in nanoseconds, Retries).
// ErrorKind::invalid names what is wrong.
Result<HealthCheck> parse_health_check(const Json& object);
// What the container says over what its image says; nullopt when nothing is to be run.
std::optional<HealthCheck> merge_health_check(const std::optional<HealthCheck>& container,
                                              const std::optional<HealthCheck>& image);

// The test as an exec's command.
std::vector<std::string> health_command(const HealthCheck& check);
// Until the next probe. ran: since the container's start.
std::chrono::nanoseconds health_interval(const HealthCheck& check, const HealthState& state,
                                         std::chrono::nanoseconds ran);
std::chrono::nanoseconds health_timeout(const HealthCheck& check);
// True when the status changed. Failures while the container starts do not count. ran: since its
// start, when the probe began.
bool apply_probe(const HealthCheck& check, HealthState::Probe probe, std::chrono::nanoseconds ran,
                 HealthState& state);

}  // namespace hako::engine
