// The three streams of a command, borrowed; tests give pipes.
#pragma once

#include <unistd.h>

#include <string_view>

#include <fmt/format.h>

#include "base/result.h"

namespace hako::cli {

struct Stdio {
    int in = STDIN_FILENO;
    int out = STDOUT_FILENO;
    int err = STDERR_FILENO;

    bool in_is_terminal() const { return ::isatty(in) != 0; }
    bool out_is_terminal() const { return ::isatty(out) != 0; }
    bool err_is_terminal() const { return ::isatty(err) != 0; }

    // A reader that went away (`hako ps | head -1`) is no error of ours.
    void print(std::string_view text) const;
    void print_line(std::string_view text) const { print(fmt::format("{}\n", text)); }
    void complain(std::string_view text) const;  // one line to err
    // Shows the text and asks; false for anything but yes.
    Result<bool> confirm(std::string_view warning) const;
};

}  // namespace hako::cli
