#include "init/vminitd/streams.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/units.h"

namespace hako::init {
namespace {

constexpr std::size_t kChunk = 64 * kKiB;
// What two pipes can hold. More than that after the process' end is somebody else's.
constexpr std::size_t kMaxAfterEnd = 128 * kKiB;

Result<Fd> make_event() {
    Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) return fail_errno(errno, "cannot make an eventfd");
    return event;
}

Result<void> poll_fds(std::span<pollfd> fds, int timeout) {
    while (::poll(fds.data(), fds.size(), timeout) < 0)
        if (errno != EINTR) return fail_errno(errno, "cannot wait for a process' streams");
    return {};
}

}  // namespace

Result<Streams> Streams::with_pipes(bool input, ProcessEnds& ends) {
    HAKO_TRY(auto ended, make_event());
    Streams streams(false, std::move(ended));
    HAKO_TRY(auto out, make_pipe());
    HAKO_TRY(auto err, make_pipe());
    HAKO_CHECK(set_nonblocking(out.first.get(), true));
    HAKO_CHECK(set_nonblocking(err.first.get(), true));
    streams.out_ = std::move(out.first);
    streams.err_ = std::move(err.first);
    ends.out = std::move(out.second);
    ends.err = std::move(err.second);
    if (!input) return streams;
    HAKO_TRY(auto in, make_pipe());
    HAKO_CHECK(set_nonblocking(in.second.get(), true));
    streams.in_ = std::move(in.second);
    ends.in = std::move(in.first);
    return streams;
}

Result<Streams> Streams::with_terminal() {
    HAKO_TRY(auto ended, make_event());
    return Streams(true, std::move(ended));
}

Result<void> Streams::set_terminal(Fd master) {
    if (!master) return fail(ErrorKind::internal, "vmexec did not hand over the terminal");
    HAKO_CHECK(set_nonblocking(master.get(), true));
    HAKO_TRY(in_, master.duplicate());
    HAKO_TRY(master_, master.duplicate());
    out_ = std::move(master);
    return {};
}

Result<std::optional<Streams::Output>> Streams::read() {
    bool ended = false;
    while ((out_ || err_) && after_end_ < kMaxAfterEnd) {
        // Descriptors of -1 are passed over by poll.
        std::array<pollfd, 3> fds{pollfd{out_.get(), POLLIN, 0}, pollfd{err_.get(), POLLIN, 0},
                                  pollfd{ended ? -1 : ended_.get(), POLLIN, 0}};
        HAKO_CHECK(poll_fds(fds, ended ? 0 : -1));
        const bool was_ended = ended;
        ended = ended || fds[2].revents != 0;
        bool progress = false;
        for (const bool err : {false, true}) {
            auto& fd = err ? err_ : out_;
            if (!fd || fds[err ? 1 : 0].revents == 0) continue;
            if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(kChunk);
            const auto got = ::read(fd.get(), buffer_.get(), kChunk);
            if (got > 0) {
                Output output{err, std::string(buffer_.get(), static_cast<std::size_t>(got))};
                if (ended) after_end_ += output.data.size();
                return output;
            }
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            fd.reset();  // the end; a terminal says EIO
            progress = true;
        }
        if (was_ended && !progress) break;
    }
    return std::nullopt;
}

Result<void> Streams::write(std::span<const std::byte> data) {
    while (!data.empty() && in_) {
        const auto put = ::write(in_.get(), data.data(), data.size());
        if (put >= 0) {
            data = data.subspan(static_cast<std::size_t>(put));
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) {  // nobody reads any more
            in_.reset();
            break;
        }
        std::array<pollfd, 2> fds{pollfd{in_.get(), POLLOUT, 0}, pollfd{ended_.get(), POLLIN, 0}};
        HAKO_CHECK(poll_fds(fds, -1));
        if (fds[1].revents != 0) in_.reset();
    }
    return {};
}

void Streams::close_input() {
    if (!terminal_) in_.reset();
}

void Streams::process_ended() {
    const std::uint64_t one = 1;
    (void)!::write(ended_.get(), &one, sizeof(one));
}

Result<void> Streams::resize(unsigned columns, unsigned rows) {
    const winsize size{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0,
                       0};
    if (!master_)
        return fail(ErrorKind::conflict, "the process has no terminal that could be resized");
    if (::ioctl(master_.get(), TIOCSWINSZ, &size) != 0)
        return fail_errno(errno, "cannot resize the terminal");
    return {};
}

}  // namespace hako::init
