// What the programs that hakod starts as shims have in common: `--spec FILE [--detach]`, the record
// of who they are, and the socket that they serve on.
#pragma once

#include <grpcpp/server.h>

#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "base/guarded.h"
#include "base/result.h"
#include "guest/status.h"
#include "proto/shim.grpc.pb.h"
#include "runtime/exit_record.h"
#include "runtime/sandbox_spec.h"

namespace hako::runtime {

// Serves until the sandbox is over. Calls say_ready() once its socket accepts connections.
using ServeSandbox =
    std::function<Result<void>(SandboxSpec spec, const std::function<Result<void>()>& say_ready)>;

// Reads the specification and serves it, with --detach in a process of its own: then this returns
// when that one is ready, or with why it is not. SIGTERM and SIGINT are blocked, SIGPIPE ignored.
Result<void> run_shim(std::span<const std::string_view> arguments, const ServeSandbox& serve);

// SIGTERM and SIGINT: a shim's wish to end.
sigset_t shim_stop_signals();

// The calls of a service that run.
class ShimCalls {
public:
    // Every handler runs in here: what a library throws becomes the call's error.
    template <typename Body>
    grpc::Status guarded(Body body) {
        ++*running_.lock();
        grpc::Status status;
        try {
            status = body();
        } catch (const std::exception& error) {
            status = guest::to_status(Error(ErrorKind::internal, error.what()));
        }
        if (--*running_.lock() == 0) returned_.notify_all();
        return status;
    }
    // Until they have returned, or some seconds.
    void wait_for_end();

private:
    Guarded<int> running_;
    std::condition_variable returned_;
};

void fill(shim::v1::ExitStatus& into, const ExitRecord& record);

// A server of one service on a unix socket that is ours alone: small, for a handful of callers.
Result<std::unique_ptr<grpc::Server>> serve_on(const std::filesystem::path& socket,
                                               grpc::Service& service);
// Lets the last answers leave, and removes the socket.
void end_serving(grpc::Server& server, const std::filesystem::path& socket);

}  // namespace hako::runtime
