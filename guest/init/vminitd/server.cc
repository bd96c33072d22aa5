#include "init/vminitd/server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>

#include "guest/lock_checks.h"

namespace hako::init {
namespace {

// Every open Stdio, Wait and Events has a thread; beyond that calls are RESOURCE_EXHAUSTED.
constexpr int kMaxThreads = 512;
constexpr int kMaxMessage = 16 << 20;  // a specification with many mounts, files

}  // namespace

Result<std::unique_ptr<Server>> Server::start(Guest& guest) {
    guest::leave_lock_checks_out();
    std::unique_ptr<Server> server(new Server(guest));
    grpc::ResourceQuota quota("vminitd");
    quota.SetMaxThreads(kMaxThreads);
    grpc::ServerBuilder builder;
    builder.SetResourceQuota(quota);
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MIN_POLLERS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
    builder.SetMaxReceiveMessageSize(kMaxMessage);
    builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
    builder.RegisterService(&server->service_);
    server->server_ = builder.BuildAndStart();
    if (!server->server_) return fail(ErrorKind::internal, "gRPC refuses to start its server");
    return server;
}

Server::~Server() {
    if (server_) server_->Shutdown();
}

Result<void> Server::serve(Fd connection) {
    // gRPC takes the descriptor as it is and would block in it.
    HAKO_CHECK(set_nonblocking(connection.get(), true));
    grpc::AddInsecureChannelFromFd(server_.get(), connection.release());
    return {};
}

}  // namespace hako::init
