#include "runtime/hostile_vm.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <limits>
#include <string>
#include <thread>

#include "base/fd.h"
#include "proto/agent.grpc.pb.h"
#include "vmm/qemu/arguments.h"

namespace hako::runtime {
namespace {

using namespace std::string_literals;
using grpc::ServerContext;
using grpc::Status;
namespace v1 = agent::v1;

constexpr std::size_t kPiece = 900'000;  // below what the host takes as one message
constexpr int kParts = 1'000'000;

// A good agent up to the first StartProcess.
class HostileAgent final : public v1::Agent::Service {
public:
    explicit HostileAgent(std::string_view how) : how_(how) {}

    Status Info(ServerContext*, const v1::InfoRequest*, v1::InfoResponse* response) override {
        response->set_version("hostile");
        return Status::OK;
    }
    Status Mount(ServerContext*, const v1::MountRequest*, v1::Empty*) override {
        return Status::OK;
    }
    Status SetTime(ServerContext*, const v1::SetTimeRequest*, v1::Empty*) override {
        return Status::OK;
    }
    Status AddEntropy(ServerContext*, const v1::AddEntropyRequest*, v1::Empty*) override {
        return Status::OK;
    }
    Status CreateContainer(ServerContext*, const v1::CreateContainerRequest*, v1::Empty*) override {
        return Status::OK;
    }
    Status StartProcess(ServerContext*, const v1::ProcessRequest*,
                        v1::StartProcessResponse* response) override {
        response->set_pid(how_ == "exit" ? -1 : 2);
        started_ = true;
        return Status::OK;
    }
    Status Signal(ServerContext* context, const v1::SignalRequest*, v1::Empty*) override {
        return hang_if_deaf(context);
    }
    Status Resize(ServerContext* context, const v1::ResizeRequest*, v1::Empty*) override {
        return hang_if_deaf(context);
    }

    Status Wait(ServerContext* context, const v1::ProcessRequest*, v1::ExitStatus*) override {
        return hang(context);
    }
    Status CreateProcess(
        ServerContext* context,
        grpc::ServerReaderWriter<v1::StdioOutput, v1::StdioInput>* stream) override {
        if (how_ == "deaf" && started_) return hang(context);
        stream->Write(v1::StdioOutput());
        while (!started_ && !context->IsCancelled()) std::this_thread::yield();
        v1::StdioOutput output;
        if (how_ == "exit") {
            output.mutable_exit()->set_code(std::numeric_limits<int>::max());
            output.mutable_exit()->set_exited_at_unix_ns(std::numeric_limits<std::int64_t>::max());
            while (stream->Write(output)) {
            }
        }
        if (how_ != "endless") return hang(context);
        output.set_stream(static_cast<v1::StdioOutput::Stream>(77));
        output.set_data(std::string(kPiece, 'x'));
        while (stream->Write(output)) {
        }
        return Status::OK;
    }

    Status Statistics(ServerContext* context, const v1::ContainerRequest*,
                      v1::StatisticsResponse* response) override {
        for (int i = 0; how_ == "huge" && i < kParts; ++i)
            (*response->mutable_memory_stat())[std::to_string(i)] = 1;
        return hang_if_deaf(context);
    }
    Status ListProcesses(ServerContext* context, const v1::ContainerRequest*,
                         v1::ListProcessesResponse* response) override {
        for (int i = 0; how_ == "huge" && i < kParts; ++i) response->add_processes();
        return hang_if_deaf(context);
    }
    Status CopyOut(ServerContext* context, const v1::CopyOutRequest*,
                   grpc::ServerWriter<v1::DataChunk>* writer) override {
        v1::DataChunk stat;
        stat.mutable_stat()->set_name("x");
        if (how_ != "deaf") writer->Write(stat);
        return write_for_ever(context, *writer);
    }
    Status Changes(ServerContext* context, const v1::ChangesRequest*,
                   grpc::ServerWriter<v1::DataChunk>* writer) override {
        return write_for_ever(context, *writer);
    }
    Status CopyIn(ServerContext* context, grpc::ServerReader<v1::CopyInRequest>*,
                  v1::Empty*) override {
        return hang(context);
    }
    Status PowerOff(ServerContext* context, const v1::Empty*, v1::Empty*) override {
        return hang(context);
    }

private:
    static Status hang(ServerContext* context) {
        while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return Status::CANCELLED;
    }
    Status hang_if_deaf(ServerContext* context) {
        return how_ == "deaf" && started_ ? hang(context) : Status::OK;
    }
    Status write_for_ever(ServerContext* context, grpc::ServerWriter<v1::DataChunk>& writer) {
        if (how_ != "endless") return hang(context);
        v1::DataChunk chunk;
        while (chunk.data().size() < kPiece) *chunk.mutable_data() += "A/\0"s;
        while (writer.Write(chunk)) {
        }
        return Status::OK;
    }

    const std::string how_;
    std::atomic<bool> started_ = false;
};

std::string frame(std::uint32_t length, std::uint8_t type, std::uint8_t flags,
                  std::uint8_t stream) {
    const auto byte = [](std::uint32_t value) { return static_cast<char>(value & 0xffU); };
    return {byte(length >> 16U), byte(length >> 8U), byte(length), byte(type), byte(flags), 0, 0, 0,
            byte(stream)};
}

// As long as the host takes it.
void repeat(std::string_view first, const std::string& piece) {
    if (!write_all(vmm::kAgentFd, first)) return;
    std::string many;
    while (many.size() < 64 * kKiB) many += piece;
    while (write_all(vmm::kAgentFd, many)) {
    }
}

constexpr std::uint8_t kData = 0;
constexpr std::uint8_t kHeaders = 1;
constexpr std::uint8_t kSettings = 4;
constexpr std::uint8_t kPing = 6;
constexpr std::uint8_t kContinuation = 9;

void speak_without_grpc(std::string_view how) {
    const auto settings = frame(0, kSettings, 0, 0);
    if (how == "garbage") repeat("", "!?");
    if (how == "pings") repeat(settings, frame(8, kPing, 0, 0) + "12345678");
    if (how == "lengths") repeat(settings + frame(0xffffff, kData, 0, 1), std::string(1024, '\0'));
    // A literal header "x: <100 bytes>", in frame after frame of one block.
    if (how == "headers") {
        const auto header = "\x00\x01x\x64"s + std::string(100, 'v');
        const auto length = static_cast<std::uint32_t>(header.size());
        repeat(settings + frame(length, kHeaders, 0, 1) + header,
               frame(length, kContinuation, 0, 1) + header);
    }
}

// Until our end of QMP's socket is closed. Answers that all is done.
void serve_qmp() {
    (void)write_all(vmm::kQmpFd, "{\"QMP\":{}}\n");
    for (std::string line;;) {
        std::byte byte{};
        const auto got = read_some(vmm::kQmpFd, {&byte, 1});
        if (!got || *got == 0) return;
        line += static_cast<char>(byte);
        if (line.back() != '\n') continue;
        if (line.find("\"quit\"") != std::string::npos) return;
        const auto id = line.find("\"id\":");
        const int number = id == std::string::npos ? 0 : std::atoi(line.c_str() + id + 5);
        (void)write_all(vmm::kQmpFd, fmt::format("{{\"return\":{{}},\"id\":{}}}\n", number));
        line.clear();
    }
}

}  // namespace

int hostile_vm_main(std::string_view how) {
    HostileAgent agent(how);
    std::unique_ptr<grpc::Server> server;
    std::thread talker;
    if (how == "deaf" || how == "endless" || how == "huge" || how == "exit") {
        grpc::ServerBuilder builder;
        builder.RegisterService(&agent);
        server = builder.BuildAndStart();
        (void)set_nonblocking(vmm::kAgentFd, true);
        grpc::AddInsecureChannelFromFd(server.get(), vmm::kAgentFd);
    } else {
        talker = std::thread([how] { speak_without_grpc(how); });
    }
    serve_qmp();
    ::_exit(0);
}

}  // namespace hako::runtime
