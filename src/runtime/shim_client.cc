#include "runtime/shim_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "guest/chunks.h"
#include "guest/lock_checks.h"
#include "guest/status.h"
#include "proto/shim.grpc.pb.h"

namespace hako::runtime {
namespace {

using grpc::ClientContext;
using std::chrono::milliseconds;

// Longer than the guest's (guest/agent_client.cc), so that the shim can say that it is the guest.
constexpr auto kCallDeadline = std::chrono::seconds(70);
constexpr auto kAddDeadline = std::chrono::seconds(120);
constexpr auto kConnectDeadline = std::chrono::seconds(5);
constexpr std::size_t kInputPiece = 64 * kKiB;

void set_deadline(ClientContext& context, milliseconds deadline) {
    context.set_deadline(gpr_time_from_millis(deadline.count(), GPR_TIMESPAN));
}

Result<void> check(const grpc::Status& status) {
    if (!status.ok()) return fail(guest::to_error(status));
    return {};
}

WallTime wall_time(std::int64_t unix_ns) { return WallTime(std::chrono::nanoseconds(unix_ns)); }

ExitRecord exit_record(const shim::v1::ExitStatus& status) {
    return {.code = status.code(),
            .oom_killed = status.oom_killed(),
            .exited_at = wall_time(status.exited_at_unix_ns()),
            .reason = status.reason()};
}

// One Input call. It ends when the process has read everything, which may be long after whoever
// wrote has left.
class InputCall final : public grpc::ClientWriteReactor<shim::v1::InputRequest> {
public:
    explicit InputCall(shim::v1::Shim::Stub& stub) {
        stub.async()->Input(&context_, &response_, this);
        AddHold();  // operations come from outside, until leave()
        StartCall();
    }
    ~InputCall() override {
        context_.TryCancel();
        (void)wait();
    }

    // Blocks until the message is on its way: ErrorKind::cancelled, and then leave(), when stop is
    // requested; it still goes on its way. unavailable when the call has failed.
    Result<void> send(shim::v1::InputRequest request, const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        is_writing_ = true;
        message_ = std::move(request);
        lock.unlock();
        StartWrite(&message_);
        lock.lock();
        if (!changed_.wait(lock, stop, [&] { return !is_writing_; }))
            return fail(ErrorKind::cancelled, "the writer has left");
        if (!is_ok_) return fail(ErrorKind::unavailable, "the input is closed");
        return {};
    }
    // Once. No more will be sent.
    void leave() {
        {
            const std::lock_guard lock(mutex_);
            leaves_after_write_ = is_writing_;
            if (leaves_after_write_) return;
        }
        finish_writing();
    }
    // After leave().
    Result<void> wait(const std::stop_token& stop = {}) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [&] { return is_done_; }))
            return fail(ErrorKind::cancelled, "the writer has left");
        return check(status_);
    }
    bool is_done() {
        const std::lock_guard lock(mutex_);
        return is_done_;
    }

    void OnWriteDone(bool ok) override {
        bool leaves = false;
        {
            const std::lock_guard lock(mutex_);
            is_writing_ = false;
            is_ok_ = ok;
            leaves = leaves_after_write_;
            changed_.notify_all();
        }
        if (leaves) finish_writing();
    }
    void OnDone(const grpc::Status& status) override {
        const std::lock_guard lock(mutex_);
        status_ = status;
        is_done_ = true;
        changed_.notify_all();
    }

private:
    void finish_writing() {
        StartWritesDone();
        RemoveHold();
    }

    ClientContext context_;
    shim::v1::Empty response_;
    shim::v1::InputRequest message_;  // gRPC's while is_writing_
    std::mutex mutex_;
    std::condition_variable_any changed_;
    bool is_writing_ = false;
    bool leaves_after_write_ = false;
    bool is_ok_ = true;
    bool is_done_ = false;
    grpc::Status status_;
};

// The connection, and the input calls on it whose writers have left. The last user destroys it, so
// that never one of gRPC's own threads does, which would have to wait for itself.
class Connection {
public:
    explicit Connection(const std::shared_ptr<grpc::Channel>& channel)
        : stub_(shim::v1::Shim::NewStub(channel)) {}

    shim::v1::Shim::Stub& stub() { return *stub_; }
    void keep_until_done(std::unique_ptr<InputCall> call) {
        auto left = left_.lock();
        std::erase_if(*left, [](const auto& other) { return other->is_done(); });
        left->push_back(std::move(call));
    }

private:
    std::unique_ptr<shim::v1::Shim::Stub> stub_;
    Guarded<std::vector<std::unique_ptr<InputCall>>> left_;
};

class GrpcInputStream final : public InputStream {
public:
    GrpcInputStream(std::shared_ptr<Connection> connection, std::string container,
                    std::string_view process)
        : connection_(std::move(connection)),
          container_(std::move(container)),
          process_(process),
          call_(std::make_unique<InputCall>(connection_->stub())) {}
    ~GrpcInputStream() override {
        if (!call_) return;
        call_->leave();
        connection_->keep_until_done(std::move(call_));
    }

    Result<void> write(std::span<const std::byte> data, std::stop_token stop) override {
        while (!data.empty()) {
            const auto piece = data.first(std::min(data.size(), kInputPiece));
            auto request = this->request();
            request.set_data(piece.data(), piece.size());
            HAKO_CHECK(send(std::move(request), stop));
            data = data.subspan(piece.size());
        }
        return {};
    }

    Result<void> close(std::stop_token stop) override {
        auto request = this->request();
        request.set_close(true);
        HAKO_CHECK(send(std::move(request), stop));
        call_->leave();
        auto result = call_->wait(stop);
        connection_->keep_until_done(std::move(call_));
        return result;
    }

private:
    shim::v1::InputRequest request() const {
        shim::v1::InputRequest request;
        request.set_container(container_);
        request.set_process(process_);
        return request;
    }
    // After an error there is no call any more.
    Result<void> send(shim::v1::InputRequest request, const std::stop_token& stop) {
        if (!call_) return fail(ErrorKind::unavailable, "the input is closed");
        auto sent = call_->send(std::move(request), stop);
        if (sent) return sent;
        call_->leave();
        if (sent.error().kind() != ErrorKind::cancelled)
            if (auto end = call_->wait(stop); !end) sent = end;  // the better reason
        connection_->keep_until_done(std::move(call_));
        return sent;
    }

    std::shared_ptr<Connection> connection_;
    std::string container_;
    std::string process_;
    std::unique_ptr<InputCall> call_;
};

class GrpcShimClient final : public ShimClient {
public:
    GrpcShimClient(const std::shared_ptr<grpc::Channel>& channel, std::string container)
        : connection_(std::make_shared<Connection>(channel)), container_(std::move(container)) {}

    Result<vmm::Accelerator> ready(std::stop_token stop) override {
        ClientContext context;
        const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
        shim::v1::ReadyResponse response;
        HAKO_CHECK(check(connection_->stub().Ready(&context, {}, &response)));
        return response.accelerator() == to_string(vmm::Accelerator::kvm) ? vmm::Accelerator::kvm
                                                                          : vmm::Accelerator::tcg;
    }

    Result<void> add(const ContainerSpec& spec, const NetworkSpec& network) override {
        shim::v1::AddContainerRequest request;
        request.set_spec(dump_json(to_json(spec)));
        if (!network.interfaces.empty()) request.set_network(dump_json(runtime::to_json(network)));
        shim::v1::Empty response;
        return call(&shim::v1::Shim::Stub::AddContainer, request, response, kAddDeadline);
    }
    Result<void> remove() override {
        shim::v1::Empty response;
        return call(&shim::v1::Shim::Stub::RemoveContainer, about<shim::v1::ContainerRequest>(),
                    response);
    }

    Result<StartedProcess> start(std::string_view process) override {
        shim::v1::StartResponse response;
        HAKO_CHECK(call(&shim::v1::Shim::Stub::Start, process_request(process), response));
        StartedProcess started{.pid = response.pid(),
                               .started_at = wall_time(response.started_at_unix_ns())};
        for (const auto& span : response.spans())
            started.spans.push_back({span.service(), span.name(), wall_time(span.begun_unix_ns()),
                                     wall_time(span.ended_unix_ns())});
        return started;
    }

    Result<void> exec(const ExecSpec& spec) override {
        auto request = about<shim::v1::ExecRequest>();
        request.set_process(spec.id);
        request.set_spec(spec.process);
        request.set_stdin(spec.open_stdin);
        request.set_tty(spec.tty);
        request.set_privileged(spec.privileged);
        shim::v1::Empty response;
        return call(&shim::v1::Shim::Stub::Exec, request, response);
    }

    Result<void> signal(std::string_view process, int number, bool all) override {
        auto request = about<shim::v1::SignalRequest>();
        request.set_process(std::string(process));
        request.set_signal(number);
        request.set_all(all);
        shim::v1::Empty response;
        return call(&shim::v1::Shim::Stub::Signal, request, response);
    }

    Result<void> resize(std::string_view process, std::uint32_t columns,
                        std::uint32_t rows) override {
        auto request = about<shim::v1::ResizeRequest>();
        request.set_process(std::string(process));
        request.set_columns(columns);
        request.set_rows(rows);
        shim::v1::Empty response;
        return call(&shim::v1::Shim::Stub::Resize, request, response);
    }

    Result<std::unique_ptr<InputStream>> open_input(std::string_view process) override {
        return std::make_unique<GrpcInputStream>(connection_, container_, process);
    }

    Result<ExitRecord> wait(std::string_view process, std::stop_token stop) override {
        ClientContext context;
        const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
        shim::v1::ExitStatus response;
        HAKO_CHECK(check(connection_->stub().Wait(&context, process_request(process), &response)));
        return exit_record(response);
    }

    Result<void> pause() override {
        shim::v1::Empty response;
        return call(&shim::v1::Shim::Stub::Pause, about<shim::v1::ContainerRequest>(), response);
    }
    Result<void> resume() override {
        shim::v1::Empty response;
        return call(&shim::v1::Shim::Stub::Resume, about<shim::v1::ContainerRequest>(), response);
    }
    Result<void> update(const std::string& resources) override {
        auto request = about<shim::v1::UpdateRequest>();
        request.set_resources(resources);
        shim::v1::Empty response;
        return call(&shim::v1::Shim::Stub::Update, request, response);
    }

    Result<void> change_network(const NetworkSpec& change) override {
        auto request = about<shim::v1::ChangeNetworkRequest>();
        request.set_network(dump_json(runtime::to_json(change)));
        shim::v1::Empty response;
        return call(&shim::v1::Shim::Stub::ChangeNetwork, request, response);
    }

    Result<SandboxState> state() override {
        shim::v1::StateResponse response;
        HAKO_CHECK(
            call(&shim::v1::Shim::Stub::State, about<shim::v1::ContainerRequest>(), response));
        SandboxState state{.qemu_pid = response.qemu_pid(), .paused = response.paused()};
        for (const auto& row : response.processes()) {
            ProcessState process{.id = row.process(), .started = row.started(), .pid = row.pid()};
            if (row.ended()) process.exit = exit_record(row.exit());
            state.processes.push_back(std::move(process));
        }
        return state;
    }

    Result<std::uint64_t> reclaim(std::uint64_t bytes) override {
        shim::v1::ReclaimRequest request;
        request.set_bytes(bytes);
        shim::v1::ReclaimResponse response;
        HAKO_CHECK(call(&shim::v1::Shim::Stub::Reclaim, request, response));
        return response.bytes();
    }
    Result<guest::Statistics> statistics() override {
        shim::v1::StatisticsResponse response;
        HAKO_CHECK(
            call(&shim::v1::Shim::Stub::Statistics, about<shim::v1::ContainerRequest>(), response));
        return guest::parse_statistics(response.agent());
    }

    Result<std::vector<guest::ProcessRow>> list_processes() override {
        shim::v1::ListProcessesResponse response;
        HAKO_CHECK(call(&shim::v1::Shim::Stub::ListProcesses, about<shim::v1::ContainerRequest>(),
                        response));
        return guest::parse_processes(response.agent());
    }

    Result<void> copy_out(const std::string& path, Writer& tar, std::stop_token stop) override {
        ClientContext context;
        const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
        auto request = about<shim::v1::CopyOutRequest>();
        request.set_path(path);
        const auto reader = connection_->stub().CopyOut(&context, request);
        guest::Patience patience(context, kCallDeadline);
        HAKO_TRY(const auto status, guest::take_chunks(context, *reader, tar, patience));
        return check(status);
    }

    Result<guest::PathStat> stat_path(const std::string& path) override {
        auto request = about<shim::v1::StatPathRequest>();
        request.set_path(path);
        shim::v1::StatPathResponse response;
        HAKO_CHECK(call(&shim::v1::Shim::Stub::StatPath, request, response));
        return guest::PathStat{response.name(), response.size(), response.mode(),
                               wall_time(response.mtime_unix_ns()), response.link_target()};
    }

    Result<void> changes(bool list, bool freeze, Writer& out, std::stop_token stop) override {
        ClientContext context;
        const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
        auto request = about<shim::v1::ChangesRequest>();
        request.set_list(list);
        request.set_freeze(freeze);
        const auto reader = connection_->stub().Changes(&context, request);
        guest::Patience patience(context, kCallDeadline);
        HAKO_TRY(const auto status, guest::take_chunks(context, *reader, out, patience));
        return check(status);
    }

    Result<void> copy_in(const guest::CopyIn& where, Reader& tar, std::stop_token stop) override {
        ClientContext context;
        const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
        shim::v1::Empty response;
        const auto writer = connection_->stub().CopyIn(&context, &response);
        auto request = about<shim::v1::CopyInRequest>();
        request.set_path(where.path);
        request.set_no_overwrite_dir_non_dir(where.no_overwrite_dir_non_dir);
        request.set_owner(where.owner);
        guest::Patience patience(context, kCallDeadline);
        HAKO_TRY(const auto status, guest::send_chunks(context, *writer, request, tar, patience));
        return check(status);
    }

    Result<void> delete_exec(std::string_view exec) override {
        shim::v1::Empty response;
        return call(&shim::v1::Shim::Stub::DeleteExec, process_request(exec), response);
    }

    Result<void> shutdown(milliseconds grace) override {
        shim::v1::ShutdownRequest request;
        request.set_grace_ms(grace.count());
        shim::v1::Empty response;
        return call(&shim::v1::Shim::Stub::Shutdown, request, response, kCallDeadline + grace);
    }

private:
    template <typename Request>
    Request about() const {
        Request request;
        request.set_container(container_);
        return request;
    }
    shim::v1::ProcessRequest process_request(std::string_view process) const {
        auto request = about<shim::v1::ProcessRequest>();
        request.set_process(std::string(process));
        return request;
    }
    template <typename Method, typename Request, typename Response>
    Result<void> call(Method method, const Request& request, Response& response,
                      milliseconds deadline = kCallDeadline) {
        ClientContext context;
        set_deadline(context, deadline);
        return check((connection_->stub().*method)(&context, request, &response));
    }

    std::shared_ptr<Connection> connection_;
    std::string container_;
};

}  // namespace

Result<std::unique_ptr<ShimClient>> ShimClient::connect(const std::filesystem::path& socket,
                                                        std::string container) {
    guest::leave_lock_checks_out();
    grpc::ChannelArguments arguments;
    // A channel of its own for each shim, not one shared by address: a new shim may have the name.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = grpc::CreateCustomChannel("unix:" + socket.native(),
                                                   grpc::InsecureChannelCredentials(), arguments);
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + kConnectDeadline))
        return fail(ErrorKind::unavailable, "no shim answers on {}", socket.native());
    return std::make_unique<GrpcShimClient>(channel, std::move(container));
}

}  // namespace hako::runtime
