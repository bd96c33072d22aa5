// What the programs that hakod starts as shims have in common: `--spec FILE [--detach]`, the record
// of who they are, and the socket that they serve on.
#pragma once

#include <grpcpp/server.h>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <thread>

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

// Hands SIGTERM and SIGINT, a shim's wish to end, on as often as they come.
class StopSignals {
public:
    explicit StopSignals(std::function<void()> stop);
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;
    ~StopSignals();

private:
    std::jthread thread_;
};

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

// A service of the above, served as long as this lives. It has end_calls(), which waits for those
// that run.
template <typename Service>
class ServedShim {
public:
    template <typename Sandbox>
    ServedShim(Sandbox& sandbox, std::filesystem::path socket)
        : service(sandbox), socket_(std::move(socket)) {}
    ServedShim(const ServedShim&) = delete;
    ServedShim& operator=(const ServedShim&) = delete;
    ~ServedShim() {
        service.end_calls();
        if (server_) end_serving(*server_, socket_);
    }

    Result<void> serve() {
        HAKO_TRY(server_, serve_on(socket_, service));
        return {};
    }

    Service service;

private:
    const std::filesystem::path socket_;
    std::unique_ptr<grpc::Server> server_;
};

}  // namespace hako::runtime
