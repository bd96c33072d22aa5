#include "macshim/mac_service.h"

#include <unistd.h>

#include <condition_variable>

#include "guest/status.h"
#include "macshim/process_usage.h"
#include "proto/shim.grpc.pb.h"
#include "runtime/shim_program.h"

namespace hako::macshim {
namespace {

using grpc::ServerContext;
using grpc::Status;
using guest::to_status;
using std::chrono::milliseconds;

constexpr auto kPoll = milliseconds(500);  // how soon a caller's leaving is noticed

Status no_agent(std::string_view what, std::string_view instead) {
    return to_status(
        Error(ErrorKind::unimplemented,
              fmt::format("hako has no agent in macOS, so it cannot {}: {}", what, instead)));
}

class Service final : public shim::v1::Shim::Service {
public:
    explicit Service(MacSandbox& sandbox) : sandbox_(sandbox) {}

    Status Ready(ServerContext*, const shim::v1::Empty*,
                 shim::v1::ReadyResponse* response) override {
        response->set_accelerator(std::string(to_string(sandbox_.spec().machine.accelerator)));
        return Status::OK;
    }

    Status Start(ServerContext*, const shim::v1::ProcessRequest* request,
                 shim::v1::StartResponse* response) override {
        return calls_.guarded([&] {
            return to_status([&]() -> Result<void> {
                const auto& exec = request->process();
                HAKO_TRY(const auto started,
                         exec.empty() ? sandbox_.start() : sandbox_.execs().start(exec));
                response->set_pid(1);
                response->set_started_at_unix_ns(started.time_since_epoch().count());
                return {};
            }());
        });
    }

    Status Exec(ServerContext*, const shim::v1::ExecRequest* request, shim::v1::Empty*) override {
        return calls_.guarded([&] {
            return to_status(sandbox_.execs().create(request->process(), request->spec()));
        });
    }

    Status DeleteExec(ServerContext*, const shim::v1::ProcessRequest* request,
                      shim::v1::Empty*) override {
        return calls_.guarded(
            [&] { return to_status(sandbox_.execs().remove(request->process())); });
    }

    Status Signal(ServerContext*, const shim::v1::SignalRequest* request,
                  shim::v1::Empty*) override {
        return calls_.guarded([&] {
            // Those of execs are short, or keep a disk from harm.
            return to_status(request->process().empty() ? sandbox_.signal(request->signal())
                                                        : Result<void>());
        });
    }

    Status Resize(ServerContext*, const shim::v1::ResizeRequest*, shim::v1::Empty*) override {
        return Status::OK;  // there is no terminal
    }

    // Nobody reads it.
    Status Input(ServerContext*, grpc::ServerReader<shim::v1::InputRequest>* reader,
                 shim::v1::Empty*) override {
        shim::v1::InputRequest request;
        while (reader->Read(&request) && !request.close()) {
        }
        return Status::OK;
    }

    Status Wait(ServerContext* context, const shim::v1::ProcessRequest* request,
                shim::v1::ExitStatus* response) override {
        return calls_.guarded([&] {
            return to_status([&]() -> Result<void> {
                const auto& exec = request->process();
                for (;;) {
                    std::optional<runtime::ExitRecord> record;
                    if (exec.empty()) {
                        record = sandbox_.wait(kPoll);
                    } else {
                        HAKO_TRY(record, sandbox_.execs().wait(exec, kPoll));
                    }
                    if (record) {
                        runtime::fill(*response, *record);
                        if (exec.empty()) *end_told_.lock() = true;
                        told_.notify_all();
                        return {};
                    }
                    if (context->IsCancelled())
                        return fail(ErrorKind::cancelled, "the caller went away");
                }
            }());
        });
    }

    Status Pause(ServerContext*, const shim::v1::ContainerRequest*, shim::v1::Empty*) override {
        return calls_.guarded([&] { return to_status(sandbox_.pause()); });
    }
    Status Resume(ServerContext*, const shim::v1::ContainerRequest*, shim::v1::Empty*) override {
        return calls_.guarded([&] { return to_status(sandbox_.resume()); });
    }

    Status State(ServerContext*, const shim::v1::ContainerRequest*,
                 shim::v1::StateResponse* response) override {
        return calls_.guarded([&] {
            const auto snapshot = sandbox_.snapshot();
            response->set_qemu_pid(snapshot.pid);
            response->set_paused(snapshot.paused);
            auto* row = response->add_processes();
            row->set_started(snapshot.started.has_value());
            row->set_pid(1);
            if (snapshot.exit) {
                row->set_ended(true);
                runtime::fill(*row->mutable_exit(), *snapshot.exit);
            }
            return Status::OK;
        });
    }

    Status Shutdown(ServerContext*, const shim::v1::ShutdownRequest* request,
                    shim::v1::Empty*) override {
        return calls_.guarded(
            [&] { return to_status(sandbox_.shutdown(milliseconds(request->grace_ms()))); });
    }

    Status AddContainer(ServerContext*, const shim::v1::AddContainerRequest*,
                        shim::v1::Empty*) override {
        return no_agent("run another container in it", "give that one a machine of its own");
    }
    Status Statistics(ServerContext*, const shim::v1::ContainerRequest*,
                      shim::v1::StatisticsResponse* response) override {
        return calls_.guarded([&] {
            return to_status([&]() -> Result<void> {
                const auto& machine = sandbox_.spec().machine;
                HAKO_TRY(const auto usage, process_usage(sandbox_.snapshot().pid, machine.cpus,
                                                         machine.memory_bytes));
                response->set_agent(usage.SerializeAsString());
                return {};
            }());
        });
    }
    Status ListProcesses(ServerContext*, const shim::v1::ContainerRequest*,
                         shim::v1::ListProcessesResponse*) override {
        return no_agent("list its processes", "use ssh");
    }
    Status Update(ServerContext*, const shim::v1::UpdateRequest*, shim::v1::Empty*) override {
        return no_agent("change its limits while it runs",
                        "stop it, and make it anew with other settings on the same storage");
    }
    Status CopyIn(ServerContext*, grpc::ServerReader<shim::v1::CopyInRequest>*,
                  shim::v1::Empty*) override {
        return no_agent("copy files into it", kFiles);
    }
    Status CopyOut(ServerContext*, const shim::v1::CopyOutRequest*,
                   grpc::ServerWriter<shim::v1::DataChunk>*) override {
        return no_agent("copy files out of it", kFiles);
    }
    Status StatPath(ServerContext*, const shim::v1::StatPathRequest*,
                    shim::v1::StatPathResponse*) override {
        return no_agent("look at its files", kFiles);
    }
    Status Changes(ServerContext*, const shim::v1::ChangesRequest*,
                   grpc::ServerWriter<shim::v1::DataChunk>*) override {
        return no_agent("tell what changed in it", "its disk is in its storage folder");
    }

    void wait_end_told(milliseconds timeout) {
        auto told = end_told_.lock();
        told_.wait_for(told.lock(), timeout, [&] { return *told; });
    }
    void end_calls() { calls_.wait_for_end(); }

private:
    static constexpr std::string_view kFiles = "use scp";

    MacSandbox& sandbox_;
    runtime::ShimCalls calls_;
    Guarded<bool> end_told_;
    std::condition_variable told_;
};

}  // namespace

class MacServer::Impl : public runtime::ServedShim<Service> {
public:
    using ServedShim::ServedShim;
};

MacServer::MacServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MacServer::~MacServer() = default;

void MacServer::wait_end_told(milliseconds timeout) { impl_->service.wait_end_told(timeout); }

Result<std::unique_ptr<MacServer>> MacServer::start(MacSandbox& sandbox,
                                                    const std::filesystem::path& socket) {
    auto impl = std::make_unique<Impl>(sandbox, socket);
    HAKO_CHECK(impl->serve());
    return std::unique_ptr<MacServer>(new MacServer(std::move(impl)));
}

}  // namespace hako::macshim
