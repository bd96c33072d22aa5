// The way out of a rootless daemon's network namespace where pasta is missing.
#pragma once

namespace hako {

// The namespace's link to QEMU's user network; there is none where pasta is the way out.
inline constexpr const char* kUserNetworkLink = "hako-out";

}  // namespace hako
