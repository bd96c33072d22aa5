// The power buttons of a viewer, which come as lines by a pipe.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/fd.h"

namespace hako::macshim {

// Does what a button ("stop", "restart" or "kill") stands for, however long that takes. Several
// threads call it at a time.
using PressButton = std::function<void(const std::string& button, const std::stop_token& stop)>;

// Until the pipe's end, and then what is pressed already, to its end or the thread's stop. A button
// does not wait for another one, and counts once while what it stands for is being done.
std::jthread listen_to_buttons(Fd pipe, PressButton press);

}  // namespace hako::macshim
