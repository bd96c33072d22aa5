// The gRPC server on connections that somebody else accepted.
#pragma once

#include <memory>

#include <grpcpp/server.h>

#include "base/fd.h"
#include "base/result.h"
#include "init/vminitd/service.h"

namespace hako::init {

class Server {
public:
    static Result<std::unique_ptr<Server>> start(Guest& guest);
    ~Server();
    // connection: a connected stream socket.
    Result<void> serve(Fd connection);

private:
    explicit Server(Guest& guest) : service_(guest) {}
    Service service_;
    std::unique_ptr<grpc::Server> server_;
};

}  // namespace hako::init
