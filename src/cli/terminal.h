// The user's terminal: its size, and raw mode that is always left again.
#pragma once

#include <termios.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/result.h"

namespace hako::cli {

constexpr std::size_t kDefaultColumns = 80;

struct WindowSize {
    std::uint16_t columns = 0;
    std::uint16_t rows = 0;
    bool operator==(const WindowSize&) const = default;
};
// nullopt when fd is no terminal or has no size.
std::optional<WindowSize> window_size(int fd);
std::size_t columns_of(int fd);

// Another mode of the terminal while it lives. Leaving it restores what was there.
class RawMode {
public:
    // Every key goes to the container.
    static Result<RawMode> enter(int fd);
    // Lines whose typing is not shown. Ctrl-C ends one as its last character instead of killing us,
    // so that the mode is left.
    static Result<RawMode> without_echo(int fd);
    RawMode(RawMode&& other) noexcept;
    RawMode& operator=(RawMode&&) = delete;
    RawMode(const RawMode&) = delete;
    RawMode& operator=(const RawMode&) = delete;
    ~RawMode() { leave(); }

    void leave();

private:
    static Result<RawMode> change(int fd, void (*edit)(termios&));
    RawMode(int fd, const termios& before) : fd_(fd), before_(before) {}
    int fd_ = -1;
    termios before_{};
};

}  // namespace hako::cli
