#include "runtime/shim_service.h"

#include <grpcpp/server.h>

#include <condition_variable>
#include <mutex>
#include <set>

#include "base/log.h"
#include "guest/status.h"
#include "proto/shim.grpc.pb.h"
#include "runtime/shim_program.h"

namespace hako::runtime {
namespace {

using grpc::ServerContext;
using grpc::Status;
using guest::to_status;
using std::chrono::milliseconds;

constexpr auto kPoll = milliseconds(500);  // how soon a caller's leaving is noticed

const Error kCancelled(ErrorKind::cancelled, "the caller went away");

// Bytes as messages of a stream.
class ChunkWriter : public Writer {
public:
    explicit ChunkWriter(grpc::ServerWriter<shim::v1::DataChunk>& stream) : stream_(stream) {}
    Result<void> write(std::span<const std::byte> data) override {
        shim::v1::DataChunk chunk;
        chunk.set_data(data.data(), data.size());
        if (stream_.Write(chunk)) return {};
        return fail(ErrorKind::cancelled, "the caller went away");
    }

private:
    grpc::ServerWriter<shim::v1::DataChunk>& stream_;
};

// The data of the messages behind the first.
class ChunkReader : public Reader {
public:
    explicit ChunkReader(grpc::ServerReader<shim::v1::CopyInRequest>& stream) : stream_(stream) {}
    Result<std::size_t> read(std::span<std::byte> buffer) override {
        while (rest_.empty()) {
            if (!stream_.Read(&message_)) return std::size_t{0};
            rest_ = as_bytes(message_.data());
        }
        const auto piece = rest_.first(std::min(rest_.size(), buffer.size()));
        std::ranges::copy(piece, buffer.begin());
        rest_ = rest_.subspan(piece.size());
        return piece.size();
    }

private:
    grpc::ServerReader<shim::v1::CopyInRequest>& stream_;
    shim::v1::CopyInRequest message_;
    std::span<const std::byte> rest_;
};

class Service final : public shim::v1::Shim::Service {
public:
    explicit Service(Sandbox& sandbox) : sandbox_(sandbox) {}

    Status Ready(ServerContext* context, const shim::v1::Empty*,
                 shim::v1::ReadyResponse* response) override {
        return guarded([&] {
            for (;;) {
                const auto ready = sandbox_.wait_ready(kPoll);
                if (!ready && context->IsCancelled()) return to_status(kCancelled);
                if (!ready) continue;
                *ready_answered_.lock() = true;
                answered_.notify_all();
                response->set_accelerator(
                    std::string(to_string(sandbox_.spec().machine.accelerator)));
                return to_status(*ready);
            }
        });
    }

    Status Start(ServerContext*, const shim::v1::ProcessRequest* request,
                 shim::v1::StartResponse* response) override {
        return guarded([&] {
            return to_status([&]() -> Result<void> {
                HAKO_TRY(const auto container, sandbox_.container(request->container()));
                HAKO_TRY(const auto process, container->process(request->process()));
                HAKO_TRY(const auto started, process->start());
                response->set_pid(started.pid);
                response->set_started_at_unix_ns(started.at.time_since_epoch().count());
                if (!request->process().empty()) return {};
                for (const auto& span : sandbox_.trace().spans()) {
                    auto* row = response->add_spans();
                    row->set_service(span.service);
                    row->set_name(span.name);
                    row->set_begun_unix_ns(span.begun.time_since_epoch().count());
                    row->set_ended_unix_ns(span.ended.time_since_epoch().count());
                }
                return {};
            }());
        });
    }

    Status AddContainer(ServerContext*, const shim::v1::AddContainerRequest* request,
                        shim::v1::Empty*) override {
        return guarded([&] {
            return to_status([&]() -> Result<void> {
                HAKO_TRY(const auto json, parse_json(request->spec()));
                HAKO_TRY(auto spec, container_spec_from_json(json));
                NetworkSpec network;
                if (!request->network().empty()) {
                    HAKO_TRY(const auto described, parse_json(request->network()));
                    HAKO_TRY(network, network_spec_from_json(described));
                }
                return sandbox_.add_container(std::move(spec), std::move(network));
            }());
        });
    }

    Status RemoveContainer(ServerContext*, const shim::v1::ContainerRequest* request,
                           shim::v1::Empty*) override {
        return guarded([&] { return to_status(sandbox_.remove_container(request->container())); });
    }

    Status Exec(ServerContext*, const shim::v1::ExecRequest* request, shim::v1::Empty*) override {
        return with_container(*request, [&](Container& container) {
            return container.exec(request->process(), request->spec(), request->stdin(),
                                  request->privileged());
        });
    }

    Status DeleteExec(ServerContext*, const shim::v1::ProcessRequest* request,
                      shim::v1::Empty*) override {
        return with_container(*request, [&](Container& container) {
            return container.delete_exec(request->process());
        });
    }

    Status Signal(ServerContext*, const shim::v1::SignalRequest* request,
                  shim::v1::Empty*) override {
        return with_container(*request, [&](Container& container) {
            return container.signal(request->process(), request->signal(), request->all());
        });
    }

    Status Resize(ServerContext*, const shim::v1::ResizeRequest* request,
                  shim::v1::Empty*) override {
        return with_container(*request, [&](Container& container) {
            return container.resize(request->process(), request->columns(), request->rows());
        });
    }

    Status Input(ServerContext* context, grpc::ServerReader<shim::v1::InputRequest>* reader,
                 shim::v1::Empty*) override {
        return guarded([&] {
            inputs_.lock()->insert(context);
            const auto status = to_status([&]() -> Result<void> {
                shim::v1::InputRequest request;
                if (!reader->Read(&request)) return {};
                HAKO_TRY(const auto container, sandbox_.container(request.container()));
                HAKO_TRY(const auto process, container->process(request.process()));
                do {
                    if (!request.data().empty())
                        HAKO_CHECK(process->write(as_bytes(request.data())));
                    if (request.close()) return process->close_input();
                } while (reader->Read(&request));
                return {};
            }());
            inputs_.lock()->erase(context);
            return status;
        });
    }
    // Waits for calls to return. Inputs are cut: they stay open for as long as their client likes.
    void end_calls() {
        for (auto inputs = inputs_.lock(); auto* context : *inputs) context->TryCancel();
        calls_.wait_for_end();
    }

    Status Wait(ServerContext* context, const shim::v1::ProcessRequest* request,
                shim::v1::ExitStatus* response) override {
        return guarded([&] {
            const auto container = sandbox_.container(request->container());
            if (!container) return to_status(container.error());
            const auto process = (*container)->process(request->process());
            if (!process) return to_status(process.error());
            for (;;) {
                if (const auto record = (*process)->wait(kPoll)) {
                    fill(*response, *record);
                    return Status::OK;
                }
                if (context->IsCancelled()) return to_status(kCancelled);
            }
        });
    }

    Status Pause(ServerContext*, const shim::v1::ContainerRequest* request,
                 shim::v1::Empty*) override {
        return guarded([&] { return to_status(sandbox_.pause(request->container())); });
    }

    Status Resume(ServerContext*, const shim::v1::ContainerRequest* request,
                  shim::v1::Empty*) override {
        return guarded([&] { return to_status(sandbox_.resume(request->container())); });
    }

    Status Update(ServerContext*, const shim::v1::UpdateRequest* request,
                  shim::v1::Empty*) override {
        return while_awake(
            *request, [&](Container& container) { return container.update(request->resources()); });
    }

    Status ChangeNetwork(ServerContext*, const shim::v1::ChangeNetworkRequest* request,
                         shim::v1::Empty*) override {
        return while_awake(*request, [&](Container& container) -> Result<void> {
            HAKO_TRY(const auto json, parse_json(request->network()));
            HAKO_TRY(const auto change, network_spec_from_json(json));
            // In the order in which they come, also when another hakod undoes what one began.
            const std::lock_guard one_by_one(network_);
            return container.change_network(change);
        });
    }

    Status State(ServerContext*, const shim::v1::ContainerRequest* request,
                 shim::v1::StateResponse* response) override {
        return guarded([&] {
            const auto found = sandbox_.snapshot(request->container());
            if (!found) return to_status(found.error());
            const auto& snapshot = *found;
            response->set_qemu_pid(snapshot.qemu);
            response->set_paused(snapshot.paused);
            for (const auto& [id, process] : snapshot.processes) {
                auto* row = response->add_processes();
                if (id != request->container()) row->set_process(id);
                if (const auto started = process->started()) {
                    row->set_started(true);
                    row->set_pid(started->pid);
                }
                if (const auto exit = process->exit()) {
                    row->set_ended(true);
                    fill(*row->mutable_exit(), *exit);
                }
            }
            return Status::OK;
        });
    }

    Status Reclaim(ServerContext*, const shim::v1::ReclaimRequest* request,
                   shim::v1::ReclaimResponse* response) override {
        return guarded([&] {
            const auto reclaimed = sandbox_.reclaim(request->bytes());
            if (reclaimed) response->set_bytes(*reclaimed);
            return to_status(reclaimed);
        });
    }

    Status Statistics(ServerContext*, const shim::v1::ContainerRequest* request,
                      shim::v1::StatisticsResponse* response) override {
        return while_awake(*request, [&](Container& container) -> Result<void> {
            HAKO_TRY(*response->mutable_agent(), container.statistics());
            return {};
        });
    }

    Status ListProcesses(ServerContext*, const shim::v1::ContainerRequest* request,
                         shim::v1::ListProcessesResponse* response) override {
        return while_awake(*request, [&](Container& container) -> Result<void> {
            HAKO_TRY(*response->mutable_agent(), container.list_processes());
            return {};
        });
    }

    Status CopyIn(ServerContext*, grpc::ServerReader<shim::v1::CopyInRequest>* reader,
                  shim::v1::Empty*) override {
        shim::v1::CopyInRequest first;
        if (!reader->Read(&first)) return to_status(kCancelled);
        return while_awake(first, [&](Container& container) {
            ChunkReader tar(*reader);
            return container.copy_in({.path = first.path(),
                                      .no_overwrite_dir_non_dir = first.no_overwrite_dir_non_dir(),
                                      .owner = first.owner()},
                                     tar);
        });
    }

    Status StatPath(ServerContext*, const shim::v1::StatPathRequest* request,
                    shim::v1::StatPathResponse* response) override {
        return while_awake(*request, [&](Container& container) -> Result<void> {
            HAKO_TRY(const auto stat, container.stat_path(request->path()));
            response->set_name(stat.name);
            response->set_size(stat.size);
            response->set_mode(stat.mode);
            response->set_mtime_unix_ns(stat.modified_at.time_since_epoch().count());
            response->set_link_target(stat.link_target);
            return {};
        });
    }

    Status Changes(ServerContext*, const shim::v1::ChangesRequest* request,
                   grpc::ServerWriter<shim::v1::DataChunk>* writer) override {
        return while_awake(*request, [&](Container& container) -> Result<void> {
            ChunkWriter chunks(*writer);
            if (!request->freeze() || container.frozen())
                return container.changes(request->list(), chunks);
            HAKO_CHECK(container.freeze(true));
            auto changes = container.changes(request->list(), chunks);
            const auto thawed = container.freeze(false);
            return changes ? thawed : changes;
        });
    }

    Status CopyOut(ServerContext*, const shim::v1::CopyOutRequest* request,
                   grpc::ServerWriter<shim::v1::DataChunk>* writer) override {
        return while_awake(*request, [&](Container& container) {
            ChunkWriter chunks(*writer);
            return container.copy_out(request->path(), chunks);
        });
    }

    Status Shutdown(ServerContext*, const shim::v1::ShutdownRequest* request,
                    shim::v1::Empty*) override {
        return guarded(
            [&] { return to_status(sandbox_.shutdown(milliseconds(request->grace_ms()))); });
    }

    bool wait_ready_answered(milliseconds timeout) {
        auto answered = ready_answered_.lock();
        return answered_.wait_for(answered.lock(), timeout, [&] { return *answered; });
    }

private:
    template <typename Body>
    Status guarded(Body body) {
        return calls_.guarded(std::move(body));
    }

    template <typename Request, typename Body>
    Status with_container(const Request& request, Body body) {
        return guarded([&] {
            const auto container = sandbox_.container(request.container());
            return to_status(container ? body(**container) : fail(container.error()));
        });
    }

    // Also while the container is paused.
    template <typename Request, typename Body>
    Status while_awake(const Request& request, Body body) {
        return with_container(request, [&](Container& container) -> Result<void> {
            HAKO_TRY(const auto stir, sandbox_.stir(container));
            return body(container);
        });
    }

    Sandbox& sandbox_;
    ShimCalls calls_;
    std::mutex network_;  // while it changes
    Guarded<std::set<ServerContext*>> inputs_;
    Guarded<bool> ready_answered_;
    std::condition_variable answered_;
};

}  // namespace

class ShimServer::Impl : public ServedShim<Service> {
public:
    using ServedShim::ServedShim;
};

ShimServer::ShimServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ShimServer::~ShimServer() = default;

Result<std::unique_ptr<ShimServer>> ShimServer::start(Sandbox& sandbox,
                                                      const std::filesystem::path& socket) {
    auto impl = std::make_unique<Impl>(sandbox, socket);
    HAKO_CHECK(impl->serve());
    return std::unique_ptr<ShimServer>(new ShimServer(std::move(impl)));
}

bool ShimServer::wait_ready_answered(milliseconds timeout) {
    return impl_->service.wait_ready_answered(timeout);
}

}  // namespace hako::runtime
