// The guest as a machine: what it is, its clock, its entropy, its end.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/units.h"
#include "proto/agent.pb.h"

namespace hako::init {

Result<agent::v1::InfoResponse> describe_guest();
Result<void> set_time(WallTime time);
// 32 to 512 bytes, credited as full entropy.
Result<void> add_entropy(std::string_view data);
// All of the VM's; 0 where the kernel does not say.
std::uint64_t total_memory();
// Gives up so many bytes of caches; answers how many there were, which may be fewer.
Result<std::uint64_t> reclaim_memory(std::uint64_t bytes);
// Kills all other processes, syncs, unmounts what can be unmounted and powers off. Does not return
// in a VM.
Result<void> power_off();

}  // namespace hako::init
