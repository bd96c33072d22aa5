#include "base/fd_message.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace hako {
namespace {

// A message's header, and room for one descriptor.
struct Envelope {
    explicit Envelope(char* bytes, std::size_t size) : part{bytes, size} {
        header.msg_iov = &part;
        header.msg_iovlen = 1;
    }
    cmsghdr* add_control() {
        header.msg_control = space.data();
        header.msg_controllen = space.size();
        return CMSG_FIRSTHDR(&header);
    }

    iovec part;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space{};
    msghdr header{};
};

}  // namespace

Result<std::size_t> send_message(int socket, std::string_view bytes, int fd) {
    Envelope envelope(const_cast<char*>(bytes.data()), bytes.size());
    if (fd >= 0) {
        auto* control = envelope.add_control();
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(control), &fd, sizeof(int));
    }
    for (;;) {
        const ssize_t sent = ::sendmsg(socket, &envelope.header, MSG_NOSIGNAL);
        if (sent >= 0) return static_cast<std::size_t>(sent);
        if (errno != EINTR) return fail_errno(errno, "cannot send");
    }
}

Result<FdMessage> receive_message(int socket, std::span<char> into) {
    Envelope envelope(into.data(), into.size());
    envelope.add_control();
    ssize_t got = 0;
    do got = ::recvmsg(socket, &envelope.header, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == ECONNRESET) got = 0;
    if (got < 0) return fail_errno(errno, "cannot receive");
    FdMessage message{.size = static_cast<std::size_t>(got), .fd = {}};
    const auto* control = CMSG_FIRSTHDR(&envelope.header);
    if (control != nullptr && control->cmsg_level == SOL_SOCKET &&
        control->cmsg_type == SCM_RIGHTS) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(control), sizeof fd);
        message.fd.reset(fd);
    }
    return message;
}

}  // namespace hako
