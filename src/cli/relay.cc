#include "cli/relay.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <utility>

#include "base/fd.h"
#include "cli/demux.h"
#include "cli/detach_keys.h"

namespace hako::cli {
namespace {

constexpr std::size_t kBuffer = std::size_t{64} << 10U;
constexpr int kForceful = 3;  // this many interrupts end hako itself

class Relay {
public:
    Relay(const Stdio& io, http::Upgraded connection, const SignalWatch& signals,
          const RelayOptions& options)
        : io_(io),
          socket_(std::move(connection.socket)),
          received_(std::move(connection.received)),
          signals_(signals),
          options_(options),
          keys_(options.tty ? options.detach_keys : std::vector<std::byte>()),
          frames_([this](OutputStream stream, std::span<const std::byte> data) {
              return show(stream, data);
          }),
          buffer_(kBuffer) {}

    Result<RelayEnd> run() {
        HAKO_CHECK(set_nonblocking(socket_.get(), true));
        HAKO_CHECK(take_output(as_bytes(received_)));
        if (!options_.input) {
            input_open_ = false;
            end_input();
        }
        while (!end_) {
            // While bytes wait for the container, no more are read.
            const bool wants_input = input_open_ && pending_.empty();
            std::array<pollfd, 3> fds = {{
                {socket_.get(), static_cast<short>(pending_.empty() ? POLLIN : POLLIN | POLLOUT),
                 0},
                {signals_.fd(), POLLIN, 0},
                {wants_input ? io_.in : -1, POLLIN, 0},
            }};
            if (::poll(fds.data(), fds.size(), -1) < 0) {
                if (errno == EINTR) continue;
                return fail_errno(errno, "cannot wait for the container's output");
            }
            if ((fds[1].revents & POLLIN) != 0) take_signals();
            if ((fds[0].revents & POLLOUT) != 0) send_pending();
            if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) HAKO_CHECK(receive());
            if (fds[2].revents != 0) take_input();
        }
        end_->first_output = first_output_;
        return *end_;
    }

private:
    Result<void> show(OutputStream stream, std::span<const std::byte> data) {
        const bool wanted = stream == OutputStream::out ? options_.output : options_.errors;
        if (!wanted) return {};
        if (!first_output_) first_output_ = now();
        return with_context(write_all(stream == OutputStream::out ? io_.out : io_.err, data),
                            "cannot write the container's output");
    }

    Result<void> take_output(std::span<const std::byte> data) {
        if (options_.tty) return show(OutputStream::out, data);
        return frames_.feed(data);
    }

    Result<void> receive() {
        while (!end_) {
            const auto got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
            if (got < 0) return fail_errno(errno, "the connection to the daemon broke");
            if (got == 0) {
                end_ = RelayEnd{RelayEnd::Kind::closed};
                return options_.tty ? Result<void>() : frames_.finish();
            }
            HAKO_CHECK(take_output(std::span(buffer_).first(static_cast<std::size_t>(got))));
            if (static_cast<std::size_t>(got) < buffer_.size()) return {};
        }
        return {};
    }

    void take_signals() {
        while (const auto signal = signals_.next()) {
            if (*signal == SIGWINCH) {
                if (options_.on_resize) options_.on_resize();
                continue;
            }
            const bool asks_to_end = *signal == SIGINT || *signal == SIGTERM;
            if (options_.on_signal) options_.on_signal(*signal);
            if (!options_.on_signal || (asks_to_end && ++interrupts_ == kForceful))
                end_ = RelayEnd{RelayEnd::Kind::interrupted, *signal};
        }
    }

    void take_input() {
        const auto got = read_some(io_.in, buffer_);
        if (!got || *got == 0) {
            input_open_ = false;
            pending_ = keys_.take_held();
        } else {
            auto typed = keys_.feed(std::span(buffer_).first(*got));
            pending_ = std::move(typed.data);
            if (typed.detached) end_ = RelayEnd{RelayEnd::Kind::detached};
        }
        send_pending();
    }

    void send_pending() {
        std::size_t sent = 0;
        while (sent < pending_.size()) {
            const auto count =
                ::send(socket_.get(), pending_.data() + sent, pending_.size() - sent, MSG_NOSIGNAL);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
            if (count < 0) {
                // The container does not read any more; its output is still wanted.
                sent = pending_.size();
                input_open_ = false;
                break;
            }
            sent += static_cast<std::size_t>(count);
        }
        pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(sent));
        if (pending_.empty() && !input_open_) end_input();
    }

    void end_input() { ::shutdown(socket_.get(), SHUT_WR); }

    const Stdio& io_;
    Fd socket_;
    std::string received_;
    const SignalWatch& signals_;
    const RelayOptions& options_;
    DetachFilter keys_;
    Demultiplexer frames_;
    std::vector<std::byte> buffer_;
    std::vector<std::byte> pending_;  // typed, not yet taken by the socket
    bool input_open_ = true;
    int interrupts_ = 0;
    std::optional<WallTime> first_output_;
    std::optional<RelayEnd> end_;
};

}  // namespace

Result<SignalWatch> SignalWatch::start(bool all) {
    constexpr std::array kSteering = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT};
    sigset_t wanted;
    ::sigemptyset(&wanted);
    ::sigaddset(&wanted, SIGWINCH);
    if (all)
        for (const int signal : kSteering) ::sigaddset(&wanted, signal);
    // A reader of our output that goes away ends us after the terminal has been put back, when this
    // signal is let through again.
    sigset_t blocked = wanted;
    ::sigaddset(&blocked, SIGPIPE);
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    Fd fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return fail_errno(errno, "cannot watch for signals");
    return SignalWatch(std::move(fd), before);
}

SignalWatch::SignalWatch(SignalWatch&& other) noexcept
    : fd_(std::move(other.fd_)), before_(other.before_) {}

SignalWatch::~SignalWatch() {
    if (fd_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<int> SignalWatch::next() const {
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info)))
        return std::nullopt;
    return static_cast<int>(info.ssi_signo);
}

Result<RelayEnd> relay(const Stdio& io, http::Upgraded connection, const SignalWatch& signals,
                       const RelayOptions& options) {
    return Relay(io, std::move(connection), signals, options).run();
}

}  // namespace hako::cli
