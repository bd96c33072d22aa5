// proto/agent.proto over a Guest: every method translates, calls and maps errors; nothing more.
#pragma once

#include "init/vminitd/guest.h"
#include "proto/agent.grpc.pb.h"

namespace hako::init {

class Service final : public agent::v1::Agent::Service {
public:
    // guest must outlive the service.
    explicit Service(Guest& guest) : guest_(guest) {}

    using Context = grpc::ServerContext;
    using Status = grpc::Status;

    Status Info(Context*, const agent::v1::InfoRequest*, agent::v1::InfoResponse*) override;
    Status Mount(Context*, const agent::v1::MountRequest*, agent::v1::Empty*) override;
    Status Unmount(Context*, const agent::v1::UnmountRequest*, agent::v1::Empty*) override;
    Status Sync(Context*, const agent::v1::Empty*, agent::v1::Empty*) override;
    Status SetTime(Context*, const agent::v1::SetTimeRequest*, agent::v1::Empty*) override;
    Status AddEntropy(Context*, const agent::v1::AddEntropyRequest*, agent::v1::Empty*) override;
    Status ConfigureNetwork(Context*, const agent::v1::ConfigureNetworkRequest*,
                            agent::v1::Empty*) override;
    Status Doze(Context*, const agent::v1::Empty*, agent::v1::Empty*) override;
    Status Reclaim(Context*, const agent::v1::ReclaimRequest*,
                   agent::v1::ReclaimResponse*) override;
    Status InstallEmulator(Context*, const agent::v1::InstallEmulatorRequest*,
                           agent::v1::Empty*) override;
    Status PowerOff(Context*, const agent::v1::Empty*, agent::v1::Empty*) override;

    Status CreateContainer(Context*, const agent::v1::CreateContainerRequest*,
                           agent::v1::Empty*) override;
    Status DeleteContainer(Context*, const agent::v1::ContainerRequest*,
                           agent::v1::Empty*) override;
    Status UpdateContainer(Context*, const agent::v1::UpdateContainerRequest*,
                           agent::v1::Empty*) override;
    Status Statistics(Context*, const agent::v1::ContainerRequest*,
                      agent::v1::StatisticsResponse*) override;
    Status ListProcesses(Context*, const agent::v1::ContainerRequest*,
                         agent::v1::ListProcessesResponse*) override;
    Status CopyIn(Context*, grpc::ServerReader<agent::v1::CopyInRequest>*,
                  agent::v1::Empty*) override;
    Status CopyOut(Context*, const agent::v1::CopyOutRequest*,
                   grpc::ServerWriter<agent::v1::DataChunk>*) override;
    Status Changes(Context*, const agent::v1::ChangesRequest*,
                   grpc::ServerWriter<agent::v1::DataChunk>*) override;
    Status Events(Context*, const agent::v1::Empty*,
                  grpc::ServerWriter<agent::v1::Event>*) override;

    Status CreateProcess(
        Context*,
        grpc::ServerReaderWriter<agent::v1::StdioOutput, agent::v1::StdioInput>*) override;
    Status StartProcess(Context*, const agent::v1::ProcessRequest*,
                        agent::v1::StartProcessResponse*) override;
    Status Signal(Context*, const agent::v1::SignalRequest*, agent::v1::Empty*) override;
    Status Resize(Context*, const agent::v1::ResizeRequest*, agent::v1::Empty*) override;
    Status Wait(Context*, const agent::v1::ProcessRequest*, agent::v1::ExitStatus*) override;
    Status DeleteProcess(Context*, const agent::v1::ProcessRequest*, agent::v1::Empty*) override;

    Status RelaySocket(
        Context*, grpc::ServerReaderWriter<agent::v1::SocketData, agent::v1::SocketData>*) override;

private:
    Guest& guest_;
};

}  // namespace hako::init
