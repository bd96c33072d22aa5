// The init process that Docker's --init asks for: PID 1 of the container, with its program as
// child.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::init {

// The annotation of config.json that asks for it; its value is "true".
constexpr const char* kInitAnnotation = "io.hako.init";
Result<bool> wants_init(const Json& container);

// Executes the file in a child, hands signals on to it, reaps orphans and ends as the child did.
// Returns only the errno of an execve(2) or fork(2) that failed.
int execute_below_init(const std::string& file, char* const* args, char* const* env);

// vmexec was executed to be the init process of the child that args name.
bool is_init(int count, char* const* args);
[[noreturn]] void init_main(char* const* args);

}  // namespace hako::init
