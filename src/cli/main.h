// The whole program, for its main() and for tests.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/stdio.h"

namespace hako::cli {

// All commands, under "hako".
Command all_commands();

// arguments: without the program's name. Returns the exit status.
int run_program(const std::vector<std::string>& arguments, const Stdio& io);

}  // namespace hako::cli
