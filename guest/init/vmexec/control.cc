#include "init/vmexec/control.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "init/common/vmexec_protocol.h"

namespace hako::init {

Result<void> send_report(const Json& report, std::optional<int> fd) {
    std::string text = dump_json(report);
    if (text.size() > kMaxControlMessage)
        return fail(ErrorKind::internal, "a report to vminitd is too long");
    iovec part{text.data(), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
    if (fd) {
        message.msg_control = space;
        message.msg_controllen = sizeof(space);
        auto* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &*fd, sizeof(int));
    }
    if (::sendmsg(kControlFd, &message, MSG_NOSIGNAL) < 0)
        return fail_errno(errno, "cannot report to vminitd");
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
