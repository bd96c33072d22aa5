// The part of the service that is about the guest as a machine.
#include <unistd.h>

#include "guest/status.h"
#include "init/vminitd/emulator.h"
#include "init/vminitd/mounts.h"
#include "init/vminitd/network.h"
#include "init/vminitd/service.h"
#include "init/vminitd/system.h"

namespace hako::init {

using guest::to_status;

grpc::Status Service::Info(Context*, const agent::v1::InfoRequest*,
                           agent::v1::InfoResponse* response) {
    auto info = describe_guest();
    if (info) *response = std::move(*info);
    return to_status(info);
}

grpc::Status Service::Mount(Context*, const agent::v1::MountRequest* request, agent::v1::Empty*) {
    for (const auto& mount : request->mounts())
        if (const auto done = mount_one(mount); !done) return to_status(done);
    return Status::OK;
}

grpc::Status Service::Unmount(Context*, const agent::v1::UnmountRequest* request,
                              agent::v1::Empty*) {
    return to_status(unmount(request->target()));
}

grpc::Status Service::Sync(Context*, const agent::v1::Empty*, agent::v1::Empty*) {
    ::sync();
    return Status::OK;
}

grpc::Status Service::SetTime(Context*, const agent::v1::SetTimeRequest* request,
                              agent::v1::Empty*) {
    if (request->nanoseconds() < 0 || request->nanoseconds() >= 1'000'000'000)
        return to_status(
            Error(ErrorKind::invalid,
                  fmt::format("{} nanoseconds are not within a second", request->nanoseconds())));
    return to_status(set_time(WallTime(std::chrono::seconds(request->seconds()) +
                                       std::chrono::nanoseconds(request->nanoseconds()))));
}

grpc::Status Service::AddEntropy(Context*, const agent::v1::AddEntropyRequest* request,
                                 agent::v1::Empty*) {
    return to_status(add_entropy(request->data()));
}

grpc::Status Service::ConfigureNetwork(Context*, const agent::v1::ConfigureNetworkRequest* request,
                                       agent::v1::Empty*) {
    return to_status([&]() -> Result<void> {
        HAKO_CHECK(configure_network(*request));
        for (const auto& lines : request->lines()) {
            HAKO_TRY(const auto container, guest_.container(lines.container()));
            const std::vector<std::string> gone(lines.gone().begin(), lines.gone().end());
            const std::vector<std::string> come(lines.come().begin(), lines.come().end());
            HAKO_CHECK(container->change_file(lines.path(), gone, come));
        }
        return {};
    }());
}

grpc::Status Service::Doze(Context*, const agent::v1::Empty*, agent::v1::Empty*) {
    guest_.may_doze() = true;
    return grpc::Status::OK;
}

grpc::Status Service::Reclaim(Context*, const agent::v1::ReclaimRequest* request,
                              agent::v1::ReclaimResponse* response) {
    const auto reclaimed = reclaim_memory(request->bytes());
    if (reclaimed) response->set_bytes(*reclaimed);
    return to_status(reclaimed);
}

grpc::Status Service::InstallEmulator(Context*, const agent::v1::InstallEmulatorRequest* request,
                                      agent::v1::Empty*) {
    return to_status(install_emulator(*request));
}

grpc::Status Service::PowerOff(Context*, const agent::v1::Empty*, agent::v1::Empty*) {
    return to_status(power_off());
}

}  // namespace hako::init
