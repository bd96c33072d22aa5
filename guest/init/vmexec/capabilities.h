// The five capability sets of a process, from the OCI runtime specification.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hako::init {

// Bit n is capability n of capabilities(7).
struct Capabilities {
    std::uint64_t bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;
};

// "CAP_CHOWN" -> 0. Unknown names are ErrorKind::invalid.
Result<unsigned> capability_number(std::string_view name);
// process.capabilities; absent is no capability at all.
Result<Capabilities> capabilities_of_process(const Json& process);

// Before the user changes: drops from the bounding set, keeps the permitted set over setresuid.
Result<void> limit_capabilities(const Capabilities& wanted);
// After: all sets exactly as wanted (of those that the kernel knows).
Result<void> apply_capabilities(const Capabilities& wanted);

}  // namespace hako::init
