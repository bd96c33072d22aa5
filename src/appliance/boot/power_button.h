// The machine's power button, which is also how clouds stop one.
#pragma once

#include <thread>

namespace hako::appliance {

// Pressed, it is SIGUSR2 for this process, as from busybox's poweroff.
std::jthread watch_power_button();

}  // namespace hako::appliance
