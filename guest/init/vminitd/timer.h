// The timer that the guest's kernel sleeps by.
#pragma once

#include <string>
#include <string_view>

namespace hako::init {

// Whether an idle guest sleeps by it until there is something to do. Emulated, the kernel measures
// the rate of its APIC's timer against a busy host's clock: one that it took for faster than it is
// would be late, and where it gives up, the interval timer wakes it at least every 27 ms.
// device: its name; list: /proc/timer_list.
bool lets_sleep(std::string_view device, const std::string& list);
// This guest's.
bool lets_sleep();

}  // namespace hako::init
