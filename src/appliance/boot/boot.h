// The first process of an appliance: it makes the machine usable, runs macOS, and powers off.
#pragma once

namespace hako::appliance {

// Does not return where it is the first process.
int boot_main();

}  // namespace hako::appliance
