// Pauses between the attempts of a request that failed for a passing reason.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "oci/registry_options.h"

namespace hako::oci {

// Whether a status may be another one in a while: 408, 429, 5xx.
bool is_passing(int status);

// Of one request. Used by one thread.
class BackOff {
public:
    explicit BackOff(const RegistryOptions& options)
        : attempts_(options.attempts), base_(options.backoff) {}

    // After a failure: waits twice as long as the last time, give or take a quarter, or as long as
    // retry_after says (seconds or an HTTP date; empty: nothing). Returns the reason when the
    // attempts are used up or the wait would be too long, ErrorKind::cancelled when stopped.
    Result<void> wait(const Error& reason, const std::string& retry_after,
                      const std::stop_token& stop);
    // The last attempt got on: the count starts again.
    void restart() { failed_ = 0; }

private:
    int attempts_;
    std::chrono::milliseconds base_;
    int failed_ = 0;
};

}  // namespace hako::oci
