#include "base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace hako {
namespace {

template <typename Call>
auto retry_eintr(Call call) {
    decltype(call()) result;
    do result = call();
    while (result < 0 && errno == EINTR);
    return result;
}

Result<sockaddr_un> unix_address(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& text = path.native();
    if (text.size() >= sizeof(address.sun_path))
        return fail(ErrorKind::invalid,
                    "the socket path {} is longer than {} bytes; use a shorter "
                    "run directory",
                    text, sizeof(address.sun_path) - 1);
    std::memcpy(address.sun_path, text.data(), text.size());
    return address;
}

Result<Fd> unix_socket() {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, "cannot make a socket");
    return fd;
}

}  // namespace

void Fd::reset(int fd) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

Result<Fd> Fd::duplicate() const {
    Fd copy(::fcntl(fd_, F_DUPFD_CLOEXEC, 0));
    if (!copy) return fail_errno(errno, "cannot duplicate a file descriptor");
    return copy;
}

Result<Fd> open_file(const std::filesystem::path& path, int flags, mode_t mode) {
    Fd fd(retry_eintr([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); }));
    if (!fd) return fail_errno(errno, "cannot open {}", path.native());
    return fd;
}

Result<FdPair> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "cannot make a pipe");
    return FdPair{Fd(ends[0]), Fd(ends[1])};
}

Result<FdPair> make_socket_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail_errno(errno, "cannot make a socket pair");
    return FdPair{Fd(ends[0]), Fd(ends[1])};
}

Result<Fd> listen_unix(const std::filesystem::path& path, mode_t mode, int backlog) {
    HAKO_TRY(auto address, unix_address(path));
    HAKO_TRY(Fd fd, unix_socket());
    // The mode is set before bind, so that there is no moment with a wider one.
    if (::fchmod(fd.get(), mode) != 0) return fail_errno(errno, "cannot set a socket's mode");
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail_errno(errno, "cannot bind the socket {}", path.native());
    if (::chmod(path.c_str(), mode) != 0 || ::listen(fd.get(), backlog) != 0)
        return fail_errno(errno, "cannot listen on the socket {}", path.native());
    return fd;
}

Result<Fd> connect_unix(const std::filesystem::path& path) {
    HAKO_TRY(auto address, unix_address(path));
    HAKO_TRY(Fd fd, unix_socket());
    if (retry_eintr([&] {
            return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
        }) != 0)
        return fail_errno(errno, "cannot connect to {}", path.native());
    return fd;
}

Result<void> set_nonblocking(int fd, bool on) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) != 0)
        return fail_errno(errno, "cannot set O_NONBLOCK");
    return {};
}

Result<std::size_t> read_some(int fd, std::span<std::byte> buffer) {
    const ssize_t count = retry_eintr([&] { return ::read(fd, buffer.data(), buffer.size()); });
    if (count < 0) return fail_errno(errno, "cannot read");
    return static_cast<std::size_t>(count);
}

Result<std::size_t> read_full(int fd, std::span<std::byte> buffer) {
    std::size_t done = 0;
    while (done < buffer.size()) {
        HAKO_TRY(const std::size_t count, read_some(fd, buffer.subspan(done)));
        if (count == 0) break;
        done += count;
    }
    return done;
}

Result<void> write_all(int fd, std::span<const std::byte> data) {
    while (!data.empty()) {
        const ssize_t count = retry_eintr([&] { return ::write(fd, data.data(), data.size()); });
        if (count < 0) return fail_errno(errno, "cannot write");
        data = data.subspan(static_cast<std::size_t>(count));
    }
    return {};
}

Result<void> write_all(int fd, std::string_view text) { return write_all(fd, as_bytes(text)); }

Result<bool> wait_readable(int fd, std::optional<std::chrono::milliseconds> timeout) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + timeout.value_or(std::chrono::milliseconds(0));
    for (;;) {
        int left = -1;
        if (timeout) {
            const auto rest =
                std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
            left = rest > 0 ? static_cast<int>(rest) : 0;
        }
        pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
        const int count = ::poll(&entry, 1, left);
        if (count > 0) return true;
        if (count == 0) return false;
        if (errno != EINTR) return fail_errno(errno, "cannot poll");
    }
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
    HAKO_TRY(Fd fd, open_file(path, O_RDONLY));
    std::string text;
    std::array<std::byte, 16384> buffer{};
    for (;;) {
        HAKO_TRY(const std::size_t count, with_context(read_some(fd.get(), buffer), path.native()));
        if (count == 0) return text;
        text.append(as_text(std::span(buffer).first(count)));
        if (text.size() > limit)
            return fail(ErrorKind::too_large, "{} is larger than {} bytes", path.native(), limit);
    }
}

Result<void> write_file(const std::filesystem::path& path, std::string_view text, mode_t mode) {
    HAKO_TRY(Fd fd, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
    return with_context(write_all(fd.get(), text), path.native());
}

Result<void> replace_file(const std::filesystem::path& path, std::string_view text, mode_t mode) {
    std::string temp = path.native() + ".XXXXXX";
    Fd fd(::mkostemp(temp.data(), O_CLOEXEC));
    if (!fd) return fail_errno(errno, "cannot write beside {}", path.native());
    auto written = with_context(write_all(fd.get(), text), path.native());
    if (written && (::fchmod(fd.get(), mode) != 0 || ::rename(temp.c_str(), path.c_str()) != 0))
        written = fail_errno(errno, "cannot replace {}", path.native());
    if (!written) ::unlink(temp.c_str());
    return written;
}

Result<TempDir> TempDir::create(const std::filesystem::path& parent) {
    std::error_code error;
    const auto base = parent.empty() ? std::filesystem::temp_directory_path(error) : parent;
    std::string name = (base / "hako-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr)
        return fail_errno(errno, "cannot make a folder in {}", base.native());
    return TempDir(name);
}

TempDir& TempDir::operator=(TempDir&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
}

TempDir::~TempDir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace hako
