// The gRPC service Shim (proto/shim.proto) on top of a macOS machine. What needs an agent in the
// guest is answered with what to do instead.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "base/result.h"
#include "macshim/mac_sandbox.h"

namespace hako::macshim {

// Serves from its own threads as long as it lives. The sandbox must outlive it.
class MacServer {
public:
    static Result<std::unique_ptr<MacServer>> start(MacSandbox& sandbox,
                                                    const std::filesystem::path& socket);
    MacServer(const MacServer&) = delete;
    MacServer& operator=(const MacServer&) = delete;
    // Until somebody was told how the machine ended.
    void wait_end_told(std::chrono::milliseconds timeout);
    // Lets running calls answer, up to some seconds, and removes the socket.
    ~MacServer();

private:
    class Impl;
    explicit MacServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace hako::macshim
