// ErrorKind <-> gRPC status, for all services of hako (vminitd, the shim). The code is for others
// who read it; the exact kind travels in the status' details, so nothing is lost between us.
#pragma once

#include <grpcpp/support/status.h>

#include "base/result.h"

namespace hako::guest {

grpc::StatusCode status_code(ErrorKind kind);
// The kind named in the details when there is a known one, else the first that has the code.
ErrorKind kind_of_status(const grpc::Status& status);

grpc::Status to_status(const Error& error);
Error to_error(const grpc::Status& status);  // status must not be ok

// For the end of an RPC handler: return to_status(result);
template <typename T>
grpc::Status to_status(const Result<T>& result) {
    return result ? grpc::Status::OK : to_status(result.error());
}

}  // namespace hako::guest
