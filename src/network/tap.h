// Taps by their descriptors: what links.cc, and a VM that waits, need besides open_tap().
#pragma once

#include <string>

#include "base/fd.h"

namespace hako::network {

// Opens the tap, and creates it when there is none: it goes with the descriptor until keep_tap().
Result<Fd> attach_tap(const std::string& name);
Result<void> keep_tap(const Fd& tap);
// The opposite: from then on it goes with its last descriptor. A macvtap stays.
void release_tap(const Fd& tap);

}  // namespace hako::network
