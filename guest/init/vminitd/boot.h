// What PID 1 has to do before it can serve.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hako::init {

// Mounts the guest's own file systems, makes its root a read-only mount that can be left by
// pivot_root, hands cgroup controllers down and brings lo up.
Result<void> set_up_guest();

// The value of name=value on the kernel's command line; the last one counts, absent is empty.
std::string kernel_argument(std::string_view command_line, std::string_view name);

// Standard streams become the console, so that log lines end up there.
void log_to_console();

}  // namespace hako::init
