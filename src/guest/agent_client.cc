#include "guest/agent_client.h"

#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>

#include "guest/chunks.h"
#include "guest/lock_checks.h"
#include "guest/messages.h"
#include "guest/socket_call_impl.h"
#include "guest/status.h"
#include "guest/stdio_impl.h"
#include "proto/agent.grpc.pb.h"

namespace hako::guest {
namespace {

using namespace std::chrono_literals;

// The longest answer is the list of a container's processes.
constexpr int kMaxMessage = 1 << 20;
// Of a stream, what may have come and not been read yet.
constexpr int kMaxUnread = 256 << 10;

// By the clock that nobody sets.
void set_deadline(grpc::ClientContext& context, std::chrono::milliseconds timeout) {
    context.set_deadline(gpr_time_from_millis(timeout.count(), GPR_TIMESPAN));
}

agent::v1::ProcessRequest to_request(const ProcessId& id) {
    agent::v1::ProcessRequest request;
    request.set_container(id.container);
    request.set_process(id.process);
    return request;
}

agent::v1::ContainerRequest to_request(const std::string& container) {
    agent::v1::ContainerRequest request;
    request.set_container(container);
    return request;
}

Result<void> to_result(const grpc::Status& status) {
    if (status.ok()) return {};
    // gRPC's own words for it mean nothing to a user.
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
        return fail(ErrorKind::deadline, "the guest agent does not answer");
    return fail(to_error(status));
}

// Of a call that was cancelled when the guest took too long.
Result<void> to_result(const grpc::Status& status, const Patience& patience) {
    if (patience.is_over()) return to_result({grpc::StatusCode::DEADLINE_EXCEEDED, {}});
    return to_result(status);
}

}  // namespace

struct AgentClient::Impl {
    Impl(std::shared_ptr<grpc::Channel> channel, const Deadlines& limits, Cut how)
        : stub(agent::v1::Agent::NewStub(std::move(channel))),
          deadlines(limits),
          cut(std::move(how)) {}

    // One unary call with a deadline.
    template <typename Method, typename Request, typename Response>
    Result<void> fetch(Method method, const Request& request, Response& response,
                       std::chrono::milliseconds timeout) {
        grpc::ClientContext context;
        set_deadline(context, timeout);
        Patience patience(context, timeout, cut);
        return to_result(
            patience.wait([&] { return ((*stub).*method)(&context, request, &response); }),
            patience);
    }
    template <typename Method, typename Request>
    Result<void> call(Method method, const Request& request, std::chrono::milliseconds timeout) {
        agent::v1::Empty response;
        return fetch(method, request, response, timeout);
    }
    template <typename Method, typename Request>
    Result<void> call(Method method, const Request& request) {
        return call(method, request, deadlines.call);
    }

    std::unique_ptr<agent::v1::Agent::Stub> stub;
    const Deadlines deadlines;
    const Cut cut;
};

using Stub = agent::v1::Agent::Stub;

Result<std::unique_ptr<AgentClient>> AgentClient::connect(Fd channel, const Deadlines& deadlines) {
    if (!channel) return fail(ErrorKind::invalid, "the agent's channel is not open");
    leave_lock_checks_out();
    // gRPC takes the descriptor as it is and would block in it.
    HAKO_CHECK(set_nonblocking(channel.get(), true));
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMaxMessage);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // which lets windows grow
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kMaxUnread);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    HAKO_TRY(Fd socket, channel.duplicate());
    const Cut cut = [socket = std::make_shared<const Fd>(std::move(socket))] {
        ::shutdown(socket->get(), SHUT_RDWR);
    };
    auto impl = std::make_unique<Impl>(
        grpc::CreateCustomInsecureChannelFromFd("vm", channel.release(), arguments), deadlines,
        cut);
    return std::unique_ptr<AgentClient>(new AgentClient(std::move(impl)));
}

AgentClient::AgentClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AgentClient::~AgentClient() = default;

Result<GuestInfo> AgentClient::info(std::chrono::milliseconds timeout) {
    agent::v1::InfoResponse response;
    HAKO_CHECK(impl_->fetch(&Stub::Info, agent::v1::InfoRequest(), response, timeout));
    return GuestInfo{response.version(), response.kernel_release(), response.memory_bytes(),
                     response.cpus()};
}

Result<void> AgentClient::mount(std::span<const Mount> mounts) {
    agent::v1::MountRequest request;
    for (const auto& mount : mounts) *request.add_mounts() = to_message(mount);
    return impl_->call(&Stub::Mount, request);
}

Result<void> AgentClient::unmount(const std::string& target) {
    agent::v1::UnmountRequest request;
    request.set_target(target);
    return impl_->call(&Stub::Unmount, request);
}

Result<void> AgentClient::sync() {
    return impl_->call(&Stub::Sync, agent::v1::Empty(), impl_->deadlines.sync);
}

Result<void> AgentClient::set_time(WallTime time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    agent::v1::SetTimeRequest request;
    request.set_seconds(seconds.time_since_epoch().count());
    request.set_nanoseconds(static_cast<std::int32_t>((time - seconds).count()));
    return impl_->call(&Stub::SetTime, request);
}

Result<void> AgentClient::add_entropy(std::span<const std::byte> data) {
    agent::v1::AddEntropyRequest request;
    request.set_data(data.data(), data.size());
    return impl_->call(&Stub::AddEntropy, request);
}

Result<void> AgentClient::configure_network(const Network& network) {
    return impl_->call(&Stub::ConfigureNetwork, to_message(network));
}

Result<void> AgentClient::doze() {
    HAKO_CHECK(impl_->call(&Stub::Doze, agent::v1::Empty()));
    impl_->cut();
    return {};
}

Result<std::uint64_t> AgentClient::reclaim(std::uint64_t bytes) {
    agent::v1::ReclaimRequest request;
    request.set_bytes(bytes);
    agent::v1::ReclaimResponse response;
    HAKO_CHECK(impl_->fetch(&Stub::Reclaim, request, response, impl_->deadlines.sync));
    return response.bytes();
}

Result<void> AgentClient::install_emulator(const Emulator& emulator) {
    agent::v1::InstallEmulatorRequest request;
    request.set_name(emulator.name);
    request.set_disk_serial(emulator.disk_serial);
    request.set_magic(emulator.magic);
    request.set_mask(emulator.mask);
    return impl_->call(&Stub::InstallEmulator, request);
}

Result<void> AgentClient::create_container(const Container& container) {
    agent::v1::CreateContainerRequest request;
    request.set_container(container.id);
    request.set_spec(container.config);
    for (const auto& [path, content] : container.files) (*request.mutable_files())[path] = content;
    for (const auto& socket : container.sockets) *request.add_sockets() = to_message(socket);
    return impl_->call(&Stub::CreateContainer, request);
}

Result<void> AgentClient::delete_container(const std::string& container) {
    return impl_->call(&Stub::DeleteContainer, to_request(container), impl_->deadlines.sync);
}

Result<void> AgentClient::update_container(const std::string& container,
                                           const std::string& resources) {
    agent::v1::UpdateContainerRequest request;
    request.set_container(container);
    request.set_resources(resources);
    return impl_->call(&Stub::UpdateContainer, request, impl_->deadlines.quick);
}

Result<Stdio> AgentClient::create_process(const ProcessSpec& spec) {
    auto impl = std::make_unique<Stdio::Impl>();
    impl->cut = impl_->cut;
    impl->stream = impl_->stub->CreateProcess(&impl->context);
    agent::v1::StdioInput first;
    auto& request = *first.mutable_create();
    request.set_container(spec.id.container);
    request.set_process(spec.id.process);
    request.set_spec(spec.process);
    request.set_seccomp_bpf(spec.seccomp_bpf);
    request.set_stdin(spec.open_stdin);
    Patience patience(impl->context, impl_->deadlines.call, impl_->cut);
    const bool is_prepared = patience.wait([&] {
        agent::v1::StdioOutput prepared;
        return impl->stream->Write(first) && impl->stream->Read(&prepared);
    });
    if (is_prepared) return Stdio(std::move(impl));
    const auto status = patience.wait([&] { return impl->finish(); });
    HAKO_CHECK(to_result(status, patience));
    return fail(ErrorKind::corrupt, "the guest refused the process without a reason");
}

Result<int> AgentClient::start_process(const ProcessId& id) {
    agent::v1::StartProcessResponse response;
    HAKO_CHECK(impl_->fetch(&Stub::StartProcess, to_request(id), response, impl_->deadlines.call));
    return response.pid();
}

Result<void> AgentClient::signal(const ProcessId& id, int number, bool all) {
    agent::v1::SignalRequest request;
    request.set_container(id.container);
    request.set_process(id.process);
    request.set_signal(number);
    request.set_all(all);
    return impl_->call(&Stub::Signal, request, impl_->deadlines.quick);
}

Result<void> AgentClient::resize(const ProcessId& id, unsigned columns, unsigned rows) {
    agent::v1::ResizeRequest request;
    request.set_container(id.container);
    request.set_process(id.process);
    request.set_columns(columns);
    request.set_rows(rows);
    return impl_->call(&Stub::Resize, request, impl_->deadlines.quick);
}

Result<ProcessExit> AgentClient::wait(const ProcessId& id, std::stop_token stop) {
    grpc::ClientContext context;
    const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
    agent::v1::ExitStatus response;
    HAKO_CHECK(to_result(impl_->stub->Wait(&context, to_request(id), &response)));
    return from_message(response);
}

Result<void> AgentClient::delete_process(const ProcessId& id) {
    return impl_->call(&Stub::DeleteProcess, to_request(id));
}

SocketCall AgentClient::accept_socket(const std::string& container, const std::string& path) {
    auto impl = std::make_unique<SocketCall::Impl>(*impl_->stub, impl_->cut);
    impl->first.set_container(container);
    impl->first.set_path(path);
    return SocketCall(std::move(impl));
}

SocketCall AgentClient::connect_socket(const std::string& container, const std::string& path) {
    auto call = accept_socket(container, path);
    call.impl_->first.set_connect(true);
    call.impl_->patience = impl_->deadlines.quick;
    return call;
}

Result<std::string> AgentClient::statistics(const std::string& container) {
    agent::v1::StatisticsResponse response;
    HAKO_CHECK(
        impl_->fetch(&Stub::Statistics, to_request(container), response, impl_->deadlines.quick));
    return response.SerializeAsString();
}

Result<std::string> AgentClient::list_processes(const std::string& container) {
    agent::v1::ListProcessesResponse response;
    HAKO_CHECK(impl_->fetch(&Stub::ListProcesses, to_request(container), response,
                            impl_->deadlines.quick));
    return response.SerializeAsString();
}

Result<void> AgentClient::copy_in(const CopyIn& where, Reader& tar, std::stop_token stop) {
    grpc::ClientContext context;
    const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
    agent::v1::Empty response;
    const auto writer = impl_->stub->CopyIn(&context, &response);
    agent::v1::CopyInRequest message;
    message.set_container(where.container);
    message.set_path(where.path);
    message.set_no_overwrite_dir_non_dir(where.no_overwrite_dir_non_dir);
    message.set_owner(where.owner);
    Patience patience(context, impl_->deadlines.call, impl_->cut);
    HAKO_TRY(const auto status, send_chunks(context, *writer, std::move(message), tar, patience));
    return to_result(status, patience);
}

Result<void> AgentClient::copy_out(const std::string& container, const std::string& path,
                                   const std::function<Result<void>(const PathStat&)>& on_stat,
                                   Writer& tar, std::stop_token stop) {
    grpc::ClientContext context;
    const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
    agent::v1::CopyOutRequest request;
    request.set_container(container);
    request.set_path(path);
    const auto reader = impl_->stub->CopyOut(&context, request);
    Patience patience(context, impl_->deadlines.call, impl_->cut);
    agent::v1::DataChunk described;
    if (!patience.wait([&] { return reader->Read(&described); })) {
        HAKO_CHECK(to_result(reader->Finish(), patience));
        return fail(ErrorKind::corrupt, "the guest did not say what {} is", path);
    }
    if (auto wanted = on_stat(from_message(described.stat())); !wanted) {
        context.TryCancel();
        (void)reader->Finish();
        return wanted;
    }
    HAKO_TRY(const auto status, take_chunks(context, *reader, tar, patience));
    return to_result(status, patience);
}

Result<void> AgentClient::changes(const Changes& what, Writer& out, std::stop_token stop) {
    grpc::ClientContext context;
    const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
    agent::v1::ChangesRequest request;
    request.set_container(what.container);
    request.set_upper(what.upper);
    request.set_lower(what.lower);
    request.set_list(what.list);
    const auto reader = impl_->stub->Changes(&context, request);
    Patience patience(context, impl_->deadlines.call, impl_->cut);
    HAKO_TRY(const auto status, take_chunks(context, *reader, out, patience));
    return to_result(status, patience);
}

Result<PathStat> AgentClient::stat_path(const std::string& container, const std::string& path) {
    grpc::ClientContext context;
    agent::v1::CopyOutRequest request;
    request.set_container(container);
    request.set_path(path);
    request.set_stat_only(true);
    const auto reader = impl_->stub->CopyOut(&context, request);
    agent::v1::DataChunk chunk;
    Patience patience(context, impl_->deadlines.quick, impl_->cut);
    const bool told = patience.wait([&] { return reader->Read(&chunk) && chunk.has_stat(); });
    agent::v1::DataChunk more;
    const auto status = patience.wait([&] {
        if (reader->Read(&more)) context.TryCancel();  // nobody asked for more
        return reader->Finish();
    });
    if (told) return from_message(chunk.stat());
    HAKO_CHECK(to_result(status, patience));
    return fail(ErrorKind::corrupt, "the guest did not say what {} is", path);
}

Result<void> AgentClient::events(const std::function<void(const Event&)>& on_event,
                                 std::stop_token stop) {
    grpc::ClientContext context;
    const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
    const auto reader = impl_->stub->Events(&context, agent::v1::Empty());
    agent::v1::Event message;
    while (reader->Read(&message)) {
        Event event;
        event.container = message.container();
        event.oom = message.has_oom();
        event.process = message.exit().process();
        event.exit = from_message(message.exit().status());
        on_event(event);
    }
    const auto status = reader->Finish();
    return stop.stop_requested() ? Result<void>() : to_result(status);
}

Result<void> AgentClient::power_off(std::chrono::milliseconds timeout) {
    const auto done = impl_->call(&Stub::PowerOff, agent::v1::Empty(), timeout);
    if (!done && done.error().kind() != ErrorKind::unavailable) return done;
    return {};
}

}  // namespace hako::guest
