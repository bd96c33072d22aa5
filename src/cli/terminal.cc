#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace hako::cli {

std::optional<WindowSize> window_size(int fd) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        return std::nullopt;
    return WindowSize{size.ws_col, size.ws_row};
}

std::size_t columns_of(int fd) {
    const auto size = window_size(fd);
    return size ? size->columns : kDefaultColumns;
}

Result<RawMode> RawMode::enter(int fd) {
    termios before{};
    if (::tcgetattr(fd, &before) != 0) return fail_errno(errno, "cannot read the terminal's mode");
    termios raw = before;
    ::cfmakeraw(&raw);
    if (::tcsetattr(fd, TCSANOW, &raw) != 0)
        return fail_errno(errno, "cannot switch the terminal to raw mode");
    return RawMode(fd, before);
}

RawMode::RawMode(RawMode&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), before_(other.before_) {}

void RawMode::leave() {
    if (fd_ < 0) return;
    // Not TCSAFLUSH: keys typed ahead belong to the shell.
    ::tcsetattr(std::exchange(fd_, -1), TCSADRAIN, &before_);
}

}  // namespace hako::cli
