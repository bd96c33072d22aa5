#include "macshim/mac_service.h"

#include <unistd.h>

#include "guest/status.h"
#include "proto/shim.grpc.pb.h"
#include "runtime/shim_program.h"

namespace hako::macshim {
namespace {

using grpc::ServerContext;
using grpc::Status;
using guest::to_status;
using std::chrono::milliseconds;

constexpr std::size_t kPiece = std::size_t{256} << 10U;
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
        return on_machine(request->process(), [&]() -> Result<void> {
            HAKO_TRY(const auto started, sandbox_.start());
            response->set_pid(1);
            response->set_started_at_unix_ns(started.time_since_epoch().count());
            return {};
        });
    }

    Status Signal(ServerContext*, const shim::v1::SignalRequest* request,
                  shim::v1::Empty*) override {
        return on_machine(request->process(), [&] { return sandbox_.signal(request->signal()); });
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
        return on_machine(request->process(), [&]() -> Result<void> {
            for (;;) {
                if (const auto record = sandbox_.wait(kPoll)) {
                    fill(*response, *record);
                    return {};
                }
                if (context->IsCancelled())
                    return fail(ErrorKind::cancelled, "the caller went away");
            }
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
                fill(*row->mutable_exit(), *snapshot.exit);
            }
            return Status::OK;
        });
    }

    Status Control(ServerContext*, const shim::v1::ControlRequest* request,
                   grpc::ServerWriter<shim::v1::DataChunk>* writer) override {
        return calls_.guarded([&] {
            const auto answer = sandbox_.control(request->verb(), request->arguments());
            if (!answer) return to_status(answer.error());
            for (std::size_t at = 0; at < answer->size(); at += kPiece) {
                shim::v1::DataChunk chunk;
                chunk.set_data(answer->substr(at, kPiece));
                if (!writer->Write(chunk)) break;
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
    Status Exec(ServerContext*, const shim::v1::ExecRequest*, shim::v1::Empty*) override {
        return no_agent("run a command there",
                        "turn on Remote Login in macOS and use ssh by a published port 22");
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

    void end_calls() { calls_.wait_for_end(); }

private:
    static constexpr std::string_view kFiles = "use scp";

    // There is one process, the machine; of execs there are none.
    template <typename Body>
    Status on_machine(const std::string& process, Body body) {
        if (!process.empty())
            return to_status(Error(ErrorKind::not_found, "No such exec instance: " + process));
        return calls_.guarded([&] { return to_status(body()); });
    }

    MacSandbox& sandbox_;
    runtime::ShimCalls calls_;
};

}  // namespace

class MacServer::Impl {
public:
    Impl(MacSandbox& sandbox, std::filesystem::path socket)
        : service(sandbox), socket_(std::move(socket)) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        service.end_calls();
        if (server) runtime::end_serving(*server, socket_);
    }

    Service service;
    std::unique_ptr<grpc::Server> server;

private:
    std::filesystem::path socket_;
};

MacServer::MacServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MacServer::~MacServer() = default;

Result<std::unique_ptr<MacServer>> MacServer::start(MacSandbox& sandbox,
                                                    const std::filesystem::path& socket) {
    auto impl = std::make_unique<Impl>(sandbox, socket);
    HAKO_TRY(impl->server, runtime::serve_on(socket, impl->service));
    return std::unique_ptr<MacServer>(new MacServer(std::move(impl)));
}

}  // namespace hako::macshim
