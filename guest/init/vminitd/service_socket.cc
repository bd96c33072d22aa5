// The part of the service that relays sockets.
#include "guest/socket_relay.h"
#include "guest/status.h"
#include "init/vminitd/service.h"

namespace hako::init {

using agent::v1::SocketData;

grpc::Status Service::RelaySocket(Context* context,
                                  grpc::ServerReaderWriter<SocketData, SocketData>* stream) {
    SocketData first;
    if (!stream->Read(&first)) return {grpc::StatusCode::INVALID_ARGUMENT, "no socket is named"};
    const auto cancelled = [&] { return context->IsCancelled(); };
    const auto socket = [&]() -> Result<Fd> {
        HAKO_TRY(const auto container, guest_.container(first.container()));
        return first.connect() ? container->connect_socket(first.path(), cancelled)
                               : container->accept_socket(first.path(), cancelled);
    }();
    if (!socket) return guest::to_status(socket);
    stream->Write(SocketData());
    guest::relay_socket(socket->get(),
                        {.read = [&](SocketData& message) { return stream->Read(&message); },
                         .write = [&](const SocketData& message) { return stream->Write(message); },
                         .done = [] {}});
    return Status::OK;
}

}  // namespace hako::init
