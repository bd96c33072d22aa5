// The part of the service that is about processes and their streams.
#include "base/thread.h"
#include "guest/status.h"
#include "init/vminitd/service.h"

namespace hako::init {
namespace {

using guest::to_status;
using StdioStream = grpc::ServerReaderWriter<agent::v1::StdioOutput, agent::v1::StdioInput>;

void pump_input(StdioStream& stream, Streams& streams) {
    agent::v1::StdioInput message;
    while (stream.Read(&message)) {
        // Errors here mean that the process reads no more: its bytes are dropped.
        (void)streams.write(as_bytes(message.data()));
        if (message.close()) streams.close_input();
    }
    streams.close_input();
}

// Until the process has ended.
void pump_output(StdioStream& stream, Streams& streams) {
    bool host_listens = true;
    agent::v1::StdioOutput message;
    while (true) {
        auto output = streams.read();
        if (!output || !*output) break;
        if (!host_listens) continue;  // the process must not block for ever: drop it
        message.set_stream((*output)->err ? agent::v1::StdioOutput::STDERR
                                          : agent::v1::StdioOutput::STDOUT);
        message.set_data(std::move((*output)->data));
        host_listens = stream.Write(message);
    }
}

}  // namespace

grpc::Status Service::CreateProcess(Context* context, StdioStream* stream) {
    agent::v1::StdioInput first;
    if (!stream->Read(&first) || !first.has_create())
        return {grpc::StatusCode::INVALID_ARGUMENT, "no process is described"};
    const auto create = [&]() -> Result<std::shared_ptr<ContainerProcess>> {
        const auto& request = first.create();
        HAKO_TRY(const auto container, guest_.container(request.container()));
        ProcessRequest process;
        process.id = request.process();
        HAKO_TRY(process.process, parse_json(request.spec()));
        process.seccomp = request.seccomp_bpf();
        process.input = request.stdin();
        return container->create_process(process);
    };
    const auto process = create();
    if (!process) return to_status(process);
    first.Clear();
    stream->Write(agent::v1::StdioOutput());
    Streams& streams = (*process)->streams();
    auto input =
        start_thread("stdin", [&](const std::stop_token&) { pump_input(*stream, streams); });
    pump_output(*stream, streams);
    (*process)->finish_output();
    if (const auto end = (*process)->wait([&] { return context->IsCancelled(); })) {
        agent::v1::StdioOutput last;
        *last.mutable_exit() = to_message(*end);
        stream->Write(last);
    }
    input.join();
    return Status::OK;
}

grpc::Status Service::StartProcess(Context*, const agent::v1::ProcessRequest* request,
                                   agent::v1::StartProcessResponse* response) {
    const auto started = [&]() -> Result<pid_t> {
        HAKO_TRY(const auto process, guest_.process(request->container(), request->process()));
        return process->start();
    }();
    if (started) response->set_pid(*started);
    return to_status(started);
}

grpc::Status Service::Signal(Context*, const agent::v1::SignalRequest* request, agent::v1::Empty*) {
    const auto sent = [&]() -> Result<void> {
        HAKO_TRY(const auto container, guest_.container(request->container()));
        if (request->all()) return container->cgroup().signal_all(request->signal());
        HAKO_TRY(const auto process, container->process(request->process()));
        return process->signal(request->signal());
    }();
    return to_status(sent);
}

grpc::Status Service::Resize(Context*, const agent::v1::ResizeRequest* request, agent::v1::Empty*) {
    const auto resized = [&]() -> Result<void> {
        HAKO_TRY(const auto process, guest_.process(request->container(), request->process()));
        return process->resize(request->columns(), request->rows());
    }();
    return to_status(resized);
}

grpc::Status Service::Wait(Context* context, const agent::v1::ProcessRequest* request,
                           agent::v1::ExitStatus* response) {
    const auto end = [&]() -> Result<ProcessEnd> {
        HAKO_TRY(const auto process, guest_.process(request->container(), request->process()));
        return process->wait([&] { return context->IsCancelled(); });
    }();
    if (end) *response = to_message(*end);
    return to_status(end);
}

grpc::Status Service::DeleteProcess(Context*, const agent::v1::ProcessRequest* request,
                                    agent::v1::Empty*) {
    const auto deleted = [&]() -> Result<void> {
        HAKO_TRY(const auto container, guest_.container(request->container()));
        return container->delete_process(request->process());
    }();
    return to_status(deleted);
}

}  // namespace hako::init
