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

Result<RawMode> RawMode::change(int fd, void (*edit)(termios&)) {
    termios before{};
    if (::tcgetattr(fd, &before) != 0) return fail_errno(errno, "cannot read the terminal's mode");
    termios after = before;
    edit(after);
    if (::tcsetattr(fd, TCSANOW, &after) != 0)
        return fail_errno(errno, "cannot switch the terminal's mode");
    return RawMode(fd, before);
}

Result<RawMode> RawMode::enter(int fd) {
    return change(fd, [](termios& mode) { ::cfmakeraw(&mode); });
}

Result<RawMode> RawMode::without_echo(int fd) {
    return change(fd, [](termios& mode) {
        mode.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
        mode.c_cc[VEOL] = '\x03';
    });
}

RawMode::RawMode(RawMode&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), before_(other.before_) {}

void RawMode::leave() {
    if (fd_ < 0) return;
    // Not TCSAFLUSH: keys typed ahead belong to the shell.
    ::tcsetattr(std::exchange(fd_, -1), TCSADRAIN, &before_);
}

}  // namespace hako::cli
