// The part of the service that is about containers as a whole.
#include "guest/status.h"
#include "init/vminitd/copy.h"
#include "init/vminitd/service.h"
#include "init/vminitd/statistics.h"

namespace hako::init {

using guest::to_status;

grpc::Status Service::CreateContainer(Context*, const agent::v1::CreateContainerRequest* request,
                                      agent::v1::Empty*) {
    const auto created = [&]() -> Result<void> {
        HAKO_TRY(auto spec, parse_json(request->spec()));
        const std::map<std::string, std::string> files(request->files().begin(),
                                                       request->files().end());
        const std::vector<agent::v1::Socket> sockets(request->sockets().begin(),
                                                     request->sockets().end());
        return guest_.create_container(request->container(), std::move(spec), files, sockets);
    }();
    return to_status(created);
}

grpc::Status Service::DeleteContainer(Context*, const agent::v1::ContainerRequest* request,
                                      agent::v1::Empty*) {
    return to_status(guest_.delete_container(request->container()));
}

grpc::Status Service::UpdateContainer(Context*, const agent::v1::UpdateContainerRequest* request,
                                      agent::v1::Empty*) {
    const auto updated = [&]() -> Result<void> {
        HAKO_TRY(const auto container, guest_.container(request->container()));
        HAKO_TRY(const auto resources, parse_json(request->resources()));
        HAKO_TRY(const auto settings, cgroup_settings(resources));
        return container->cgroup().apply(settings);
    }();
    return to_status(updated);
}

grpc::Status Service::Statistics(Context*, const agent::v1::ContainerRequest* request,
                                 agent::v1::StatisticsResponse* response) {
    const auto container = guest_.container(request->container());
    if (container) *response = read_statistics((*container)->cgroup());
    return to_status(container);
}

grpc::Status Service::ListProcesses(Context*, const agent::v1::ContainerRequest* request,
                                    agent::v1::ListProcessesResponse* response) {
    const auto container = guest_.container(request->container());
    if (container) *response = list_processes((*container)->cgroup());
    return to_status(container);
}

grpc::Status Service::CopyIn(Context*, grpc::ServerReader<agent::v1::CopyInRequest>* reader,
                             agent::v1::Empty*) {
    return to_status(copy_in(guest_, *reader));
}

grpc::Status Service::CopyOut(Context*, const agent::v1::CopyOutRequest* request,
                              grpc::ServerWriter<agent::v1::DataChunk>* writer) {
    return to_status(copy_out(guest_, *request, *writer));
}

grpc::Status Service::Changes(Context*, const agent::v1::ChangesRequest* request,
                              grpc::ServerWriter<agent::v1::DataChunk>* writer) {
    return to_status(copy_changes(guest_, *request, *writer));
}

grpc::Status Service::Events(Context* context, const agent::v1::Empty*,
                             grpc::ServerWriter<agent::v1::Event>* writer) {
    const auto subscription = guest_.events().subscribe();
    writer->SendInitialMetadata();
    while (!context->IsCancelled() && !subscription->lost())
        if (const auto event = subscription->next(); event && !writer->Write(*event)) break;
    return subscription->lost() ? Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too far behind")
                                : Status::OK;
}

}  // namespace hako::init
