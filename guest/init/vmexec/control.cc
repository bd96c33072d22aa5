#include "init/vmexec/control.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/fd_message.h"
#include "init/common/vmexec_protocol.h"

namespace hako::init {

Result<void> send_report(const Json& report, std::optional<int> fd) {
    const std::string text = dump_json(report);
    if (text.size() > kMaxControlMessage)
        return fail(ErrorKind::internal, "a report to vminitd is too long");
    HAKO_CHECK(
        with_context(send_message(kControlFd, text, fd.value_or(-1)), "cannot report to vminitd"));
    return {};
}

Result<void> send_error(const Error& error) {
    return send_report({{"kind", to_string(error.kind())},
                        {"error", error.message().substr(0, kMaxControlMessage / 8)}});
}

Result<void> wait_for_go() {
    char go = 0;
    ssize_t got = 0;
    do got = ::recv(kControlFd, &go, 1, 0);
    while (got < 0 && errno == EINTR);
    if (got < 1) return fail(ErrorKind::cancelled, "the process was given up before it started");
    return {};
}

}  // namespace hako::init
