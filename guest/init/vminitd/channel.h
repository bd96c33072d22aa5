// How the host reaches vminitd: a virtio-serial port, or vsock.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace hako::init {

constexpr unsigned kAgentVsockPort = 1024;

// "/dev/vport0p1" by the port's name; waits for it up to 10 seconds.
Result<std::string> find_serial_port(const std::string& name);

// A socket in front of a character device: gRPC wants a socket. A port whose host end is not (or no
// longer) open reads 0 bytes; that is no end.
class SerialBridge {
public:
    static Result<SerialBridge> make();
    Fd take_socket() { return std::move(outer_); }
    // Both ways, until the host says kDoze (guest/wake.h) while it may; that has been said back
    // then, and nobody is connected any more.
    Result<void> carry(int port, const std::atomic<bool>& may_doze);

private:
    SerialBridge() = default;
    Fd outer_, inner_;
};

// Listens on vsock and hands over every accepted connection; what goes wrong with one is logged.
// Returns only with an error.
Result<void> accept_vsock(unsigned port, const std::function<Result<void>(Fd)>& accepted);

}  // namespace hako::init
