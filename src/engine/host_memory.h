// How the host is off for memory.
#pragma once

#include <sys/types.h>

#include <chrono>

namespace hako::engine {

// Less than a tenth of it is available, or processes wait for memory more than a tenth of the time
// (PSI). HAKO_MEMORY_PRESSURE names another file than /proc/pressure/memory.
bool is_memory_short();

// CPU time that the process has used so far; 0 where it is gone.
std::chrono::nanoseconds cpu_time_of(pid_t pid);

}  // namespace hako::engine
