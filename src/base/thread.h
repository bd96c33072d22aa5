// The one way to start a thread: named, joined at its end, and with a catch-all at its entry.
#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

namespace hako {

// Runs `body` with whatever it throws caught and logged under `name`; returns false if it threw.
bool run_guarded(const std::string& name, const std::function<void()>& body);

// name: at most 15 bytes are shown by the kernel.
std::jthread start_thread(std::string name, std::function<void(std::stop_token)> body);

// False when it was asked to stop before.
bool sleep_for(std::chrono::milliseconds time, const std::stop_token& stop);

}  // namespace hako
