// The gRPC service Shim (proto/shim.proto) on top of a Sandbox.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "runtime/sandbox.h"

namespace hako::runtime {

// Serves from its own threads as long as it lives. The sandbox must outlive it.
class ShimServer {
public:
    static Result<std::unique_ptr<ShimServer>> start(Sandbox& sandbox,
                                                     const std::filesystem::path& socket);
    ShimServer(const ShimServer&) = delete;
    ShimServer& operator=(const ShimServer&) = delete;
    // Lets running calls answer, up to some seconds, and removes the socket.
    ~ShimServer();

    // Whether somebody was told that the sandbox is ready, or why not. Waits for the time-out.
    bool wait_ready_answered(std::chrono::milliseconds timeout);

private:
    class Impl;
    explicit ShimServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace hako::runtime
