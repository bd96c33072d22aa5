#include "base/result.h"

#include <array>
#include <cerrno>
#include <cstring>

namespace hako {
namespace {

struct KindRow {
    ErrorKind kind;
    std::string_view name;
    int http_status;
};

// The one table of error kinds. The first row with a status is the one it maps back to.
constexpr std::array kKinds{
    KindRow{ErrorKind::invalid, "invalid", 400},
    KindRow{ErrorKind::unauthorized, "unauthorized", 401},
    KindRow{ErrorKind::forbidden, "forbidden", 403},
    KindRow{ErrorKind::not_found, "not_found", 404},
    KindRow{ErrorKind::conflict, "conflict", 409},
    KindRow{ErrorKind::not_modified, "not_modified", 304},
    KindRow{ErrorKind::too_large, "too_large", 413},
    KindRow{ErrorKind::unimplemented, "unimplemented", 501},
    KindRow{ErrorKind::unavailable, "unavailable", 503},
    KindRow{ErrorKind::deadline, "deadline", 504},
    KindRow{ErrorKind::exhausted, "exhausted", 507},
    KindRow{ErrorKind::internal, "internal", 500},
    KindRow{ErrorKind::corrupt, "corrupt", 500},
    KindRow{ErrorKind::cancelled, "cancelled", 499},
    KindRow{ErrorKind::exec_not_found, "exec_not_found", 400},
    KindRow{ErrorKind::exec_failed, "exec_failed", 400},
};

}  // namespace

std::string_view to_string(ErrorKind kind) {
    for (const auto& row : kKinds)
        if (row.kind == kind) return row.name;
    return "internal";
}

int http_status(ErrorKind kind) {
    for (const auto& row : kKinds)
        if (row.kind == kind) return row.http_status;
    return 500;
}

ErrorKind kind_of_http_status(int status) {
    for (const auto& row : kKinds)
        if (row.http_status == status) return row.kind;
    return status >= 400 && status < 500 ? ErrorKind::invalid : ErrorKind::internal;
}

ErrorKind kind_of_errno(int error) {
    switch (error) {
        case EACCES:
        case EPERM:
        case EROFS: return ErrorKind::forbidden;
        case ENOENT:
        case ESRCH:
        case ENXIO:
        case ENODEV: return ErrorKind::not_found;
        case EEXIST:
        case EBUSY:
        case ENOTEMPTY: return ErrorKind::conflict;
        case EINVAL:
        case ENAMETOOLONG:
        case ENOTDIR:
        case EISDIR:
        case ELOOP:
        case E2BIG: return ErrorKind::invalid;
        case ENOSPC:
        case EDQUOT:
        case ENOMEM:
        case EMFILE:
        case ENFILE: return ErrorKind::exhausted;
        case ETIMEDOUT: return ErrorKind::deadline;
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
        case EHOSTUNREACH:
        case ENETUNREACH: return ErrorKind::unavailable;
        case ECANCELED: return ErrorKind::cancelled;
        case ENOSYS:
        case EOPNOTSUPP: return ErrorKind::unimplemented;
        default: return ErrorKind::internal;
    }
}

std::string errno_text(int error) {
    std::array<char, 128> buffer{};
    return strerror_r(error, buffer.data(), buffer.size());
}

}  // namespace hako
