// The last steps of a container's process, and execve.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "init/vmexec/user.h"

namespace hako::init {

// What is read, looked up and checked before the process is released.
struct Program {
    std::vector<std::string> args, env;
    std::string cwd = "/";
    bool makes_cwd = false;  // the container's, as Docker does; an exec's must be there
    User user;
};
Result<Program> read_program(const Json& process);

// rlimits, oom_score_adj: what needs root and can be done early.
Result<void> apply_limits(const Json& process);

// args[0] -> the file to execute, by PATH of env. Errors are exec_not_found (127) and exec_failed
// (126), worded as Docker words them: exec: "foo": executable file not found in $PATH.
Result<std::string> look_up(const std::string& name, const std::vector<std::string>& env);

// Becomes the user, with the capabilities and filters of `process`, and executes. Returns only
// when that fails. filter: struct sock_filter[]; empty for none.
Error execute(const Json& process, Program program, const std::string& filter, bool below_init);

}  // namespace hako::init
