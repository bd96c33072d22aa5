// hakod as an ordinary user: inside a user and network namespace of the user's own, where it may
// make bridges, taps and rules, with pasta(1) as the way out, or QEMU's user network where pasta is
// missing. The namespace is a process that does nothing else; it outlives hakod as VMs do, and the
// next hakod enters it again.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace hako::hakod {

// Enters the namespace that `run` tells of, or makes one. Before there are threads.
Result<void> enter_rootless(const std::filesystem::path& run);
// At hakod's end: ends the namespace and its way out, unless VMs still use them.
void leave_rootless(const std::filesystem::path& run);

// The argument that makes hakod the process that holds the namespace, and what it does then.
// Another one says what its way out is.
inline constexpr const char* rootless_holder = "rootless-namespace";
int rootless_holder_main(std::string_view way_out);

}  // namespace hako::hakod
