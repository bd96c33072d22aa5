#include "init/vminitd/channel.h"

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "base/log.h"
#include "base/thread.h"
#include "base/units.h"
#include "guest/wake.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::size_t kBuffer = 64 * kKiB;

// poll tells POLLHUP for a port without a host end, at once and again and again: look now and then.
void wait_for_port(int port) {
    pollfd state{port, POLLIN, 0};
    if (::poll(&state, 1, -1) > 0 && (state.revents & POLLIN) == 0)
        std::this_thread::sleep_for(20ms);
}

// Until the host says kDoze, while it may.
Result<void> pump_from_port(int port, int socket, const std::atomic<bool>& may_doze) {
    std::vector<std::byte> buffer(kBuffer);
    while (true) {
        wait_for_port(port);
        const auto got = ::read(port, buffer.data(), buffer.size());
        if (got > 0) {
            const std::span data(buffer.data(), static_cast<std::size_t>(got));
            if (may_doze && as_text(data).ends_with(guest::kDoze)) return {};
            (void)write_all(socket, data);  // that it was closed the other pump says
        } else if (got == 0) {
            std::this_thread::sleep_for(5ms);
        } else if (errno != EAGAIN && errno != EINTR) {
            return fail_errno(errno, "the agent's port cannot be read");
        }
    }
}

// What is written before the host has opened its end is lost.
void wait_for_host(int port) {
    pollfd state{port, POLLOUT, 0};
    while (::poll(&state, 1, 0) >= 0 && (state.revents & POLLHUP) != 0)
        std::this_thread::sleep_for(2ms);
}

void pump_to_port(int socket, int port) {
    wait_for_host(port);
    std::vector<std::byte> buffer(kBuffer);
    while (true) {
        const auto got = read_some(socket, buffer);
        if (!got || *got == 0) return;
        std::span<const std::byte> data(buffer.data(), *got);
        while (!data.empty()) {
            const auto put = ::write(port, data.data(), data.size());
            if (put > 0) {
                data = data.subspan(static_cast<std::size_t>(put));
            } else if (errno == EAGAIN) {
                pollfd state{port, POLLOUT, 0};
                if (::poll(&state, 1, -1) > 0 && (state.revents & POLLOUT) == 0)
                    std::this_thread::sleep_for(20ms);
            } else if (errno != EINTR) {
                log_error("the agent's port cannot be written: {}", errno_text(errno));
                return;
            }
        }
    }
}

}  // namespace

Result<std::string> find_serial_port(const std::string& name) {
    // The host tells the names of ports some time after they appeared.
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (std::chrono::steady_clock::now() < deadline) {
        std::error_code error;
        for (const auto& entry : fs::directory_iterator("/sys/class/virtio-ports", error))
            if (read_file(entry.path() / "name").value_or("") == name + "\n")
                return "/dev/" + entry.path().filename().string();
        std::this_thread::sleep_for(1ms);
    }
    return fail(ErrorKind::not_found, "the VM has no virtio-serial port named {}", name);
}

Result<SerialBridge> SerialBridge::make() {
    HAKO_TRY(auto sockets, make_socket_pair());
    SerialBridge bridge;
    bridge.outer_ = std::move(sockets.first);
    bridge.inner_ = std::move(sockets.second);
    return bridge;
}

Result<void> SerialBridge::carry(int port, const std::atomic<bool>& may_doze) {
    HAKO_CHECK(set_nonblocking(port, true));
    {
        const auto out = start_thread(
            "port-out", [&](const std::stop_token&) { pump_to_port(inner_.get(), port); });
        const auto carried = pump_from_port(port, inner_.get(), may_doze);
        ::shutdown(inner_.get(), SHUT_RDWR);
        if (!carried) return carried;
    }
    HAKO_CHECK(set_nonblocking(port, false));
    return write_all(port, guest::kDoze);
}

Result<void> accept_vsock(unsigned port, const std::function<Result<void>(Fd)>& accepted) {
    const Fd listener(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!listener) return fail_errno(errno, "the guest kernel has no vsock");
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = VMADDR_CID_ANY;
    address.svm_port = port;
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        ::listen(listener.get(), 8) != 0)
        return fail_errno(errno, "cannot listen on vsock port {}", port);
    while (true) {
        Fd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (connection) {
            if (const auto taken = accepted(std::move(connection)); !taken)
                log_error("{}", taken.error().message());
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return fail_errno(errno, "cannot accept on vsock port {}", port);
        }
    }
}

}  // namespace hako::init
