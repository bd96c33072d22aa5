// What a viewer needs of the machine it shows.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "http/endpoint.h"
#include "macos/progress.h"

namespace hako::viewer {

class Machine {
public:
    Machine() = default;
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    virtual ~Machine() = default;
    virtual Result<macos::Progress> progress() const = 0;
    // A connection of its own to the screen, which speaks RFB.
    virtual Result<Fd> screen() const = 0;
    // "start", "stop", "restart" or "kill". ErrorKind::invalid for others.
    virtual Result<void> power(std::string_view action) = 0;
};

struct MachinePlaces {
    std::filesystem::path progress;  // macos/progress.h tells what these are
    std::filesystem::path vnc;
    http::Endpoint api;  // of hakod, for the power buttons
    std::string container;
};
// The machine of a container.
std::unique_ptr<Machine> machine_of_container(MachinePlaces places);

}  // namespace hako::viewer
