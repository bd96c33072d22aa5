#pragma once

#include <sys/types.h>

#include <chrono>

namespace hako {

// CPU time that the process has used so far; 0 where it is gone.
std::chrono::nanoseconds cpu_time_of(pid_t pid);

}  // namespace hako
