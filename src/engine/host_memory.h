// How the host is off for memory.
#pragma once

namespace hako::engine {

// Less than a tenth of it is available, or processes wait for memory more than a tenth of the time
// (PSI). HAKO_MEMORY_PRESSURE names another file than /proc/pressure/memory.
bool is_memory_short();

}  // namespace hako::engine
