// What an appliance says: on every console of the kernel, serial ports among them.
#pragma once

#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/result.h"

namespace hako::appliance {

// "hako: text"
void say_line(std::string_view text);

template <typename... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
    say_line(fmt::format(format, std::forward<Args>(args)...));
}

// Says what programs write to it, line by line.
class Relay {
public:
    static Result<Relay> start();
    int fd() const { return in_.get(); }

private:
    Relay(Fd in, std::jthread thread) : thread_(std::move(thread)), in_(std::move(in)) {}
    std::jthread thread_;  // ends when the pipe is closed
    Fd in_;
};

// A shell on each console, again when it ends; as long as the threads live.
std::vector<std::jthread> start_rescue_shells();

}  // namespace hako::appliance
