#include "runtime/journal.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace hako::runtime {
namespace {

constexpr timeval kPatience{.tv_sec = 1, .tv_usec = 0};

// A value with newlines, or any other bytes, has its length (little-endian) before it.
void add_field(std::string& message, std::string_view name, std::string_view value) {
    message += name;
    if (value.find('\n') == std::string_view::npos) {
        message += '=';
    } else {
        std::array<char, 8> length{};
        for (std::size_t i = 0; i < length.size(); ++i)
            length[i] = static_cast<char>(value.size() >> (8 * i));
        message += '\n';
        message.append(length.data(), length.size());
    }
    message += value;
    message += '\n';
}

}  // namespace

Result<Journal> Journal::open(Fields fields, std::filesystem::path socket) {
    if (socket.native().size() >= sizeof(sockaddr_un::sun_path))
        return fail(ErrorKind::invalid, "{} is too long for a socket's path", socket.native());
    Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience) != 0)
        return fail_errno(errno, "cannot make a socket for the journal");
    return Journal(std::move(fields), std::move(socket), std::move(fd));
}

Result<void> Journal::send(const LineSplitter::Line& line) {
    std::string_view text = line.text;
    const bool is_whole = text.ends_with('\n');
    if (is_whole) text.remove_suffix(1);
    std::string message;
    add_field(message, "MESSAGE", text);
    add_field(message, "PRIORITY", line.stream == LogStream::err ? "3" : "6");
    if (!is_whole && line.text.size() == kMaxLogData)
        add_field(message, "CONTAINER_PARTIAL_MESSAGE", "true");
    for (const auto& [name, value] : fields_) add_field(message, name, value);

    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::ranges::copy(socket_.native(), address.sun_path);
    ssize_t sent = -1;
    do
        sent = ::sendto(fd_.get(), message.data(), message.size(), MSG_NOSIGNAL,
                        reinterpret_cast<const sockaddr*>(&address), sizeof address);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) return {};
    if (errno == EAGAIN)
        return fail(ErrorKind::deadline, "the journal takes no lines at {}", socket_.native());
    return fail_errno(errno, "the journal cannot be told at {}", socket_.native());
}

}  // namespace hako::runtime
