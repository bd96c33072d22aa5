// The default profile as data: names of system calls, separated by blanks. It follows what Docker's
// default profile allows; a name that this host's libseccomp does not know is left out.
#pragma once

#include <array>
#include <string_view>

namespace hako::runtime {

extern const std::string_view kAllowedCalls;
extern const std::string_view kRefusedCalls;

// Calls that come with a capability, and are refused without it.
struct CapabilityCalls {
    std::string_view capability;
    std::string_view calls;
};
extern const std::array<CapabilityCalls, 14> kCapabilityCalls;

}  // namespace hako::runtime
