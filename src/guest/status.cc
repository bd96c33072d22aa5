#include "guest/status.h"

#include <array>
#include <string>

namespace hako::guest {
namespace {

struct Row {
    ErrorKind kind;
    grpc::StatusCode code;
};

// The first row with a code is the one it maps back to.
constexpr std::array kRows{
    Row{ErrorKind::invalid, grpc::StatusCode::INVALID_ARGUMENT},
    Row{ErrorKind::unauthorized, grpc::StatusCode::UNAUTHENTICATED},
    Row{ErrorKind::forbidden, grpc::StatusCode::PERMISSION_DENIED},
    Row{ErrorKind::not_found, grpc::StatusCode::NOT_FOUND},
    Row{ErrorKind::conflict, grpc::StatusCode::FAILED_PRECONDITION},
    Row{ErrorKind::conflict, grpc::StatusCode::ALREADY_EXISTS},
    Row{ErrorKind::not_modified, grpc::StatusCode::ABORTED},
    Row{ErrorKind::too_large, grpc::StatusCode::OUT_OF_RANGE},
    Row{ErrorKind::unimplemented, grpc::StatusCode::UNIMPLEMENTED},
    Row{ErrorKind::unavailable, grpc::StatusCode::UNAVAILABLE},
    Row{ErrorKind::unavailable, grpc::StatusCode::UNKNOWN},  // gRPC's word for a broken stream
    Row{ErrorKind::deadline, grpc::StatusCode::DEADLINE_EXCEEDED},
    Row{ErrorKind::exhausted, grpc::StatusCode::RESOURCE_EXHAUSTED},
    Row{ErrorKind::corrupt, grpc::StatusCode::DATA_LOSS},
    Row{ErrorKind::cancelled, grpc::StatusCode::CANCELLED},
    Row{ErrorKind::exec_not_found, grpc::StatusCode::NOT_FOUND},
    Row{ErrorKind::exec_failed, grpc::StatusCode::PERMISSION_DENIED},
    Row{ErrorKind::internal, grpc::StatusCode::INTERNAL},
};

}  // namespace

grpc::StatusCode status_code(ErrorKind kind) {
    for (const auto& row : kRows)
        if (row.kind == kind) return row.code;
    return grpc::StatusCode::INTERNAL;
}

ErrorKind kind_of_status(const grpc::Status& status) {
    const auto details = status.error_details();
    for (const auto& row : kRows)
        if (row.code == status.error_code() && to_string(row.kind) == details) return row.kind;
    for (const auto& row : kRows)
        if (row.code == status.error_code()) return row.kind;
    return ErrorKind::internal;
}

grpc::Status to_status(const Error& error) {
    return {status_code(error.kind()), error.message(), std::string(to_string(error.kind()))};
}

Error to_error(const grpc::Status& status) {
    return {kind_of_status(status), status.error_message()};
}

}  // namespace hako::guest
