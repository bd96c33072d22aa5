// A fresh volume gets what the image has where it is mounted.
#pragma once

#include <string>

#include "base/result.h"

namespace hako::init {

// The mount option that asks for it (src/runtime/sandbox_spec.h).
constexpr const char* kCopyUp = "hako-copy-up";

// Copies all of the folder `from`, and its own owner and mode, into the folder `to`, unless there
// is something in that.
Result<void> copy_up(const std::string& from, const std::string& to);

}  // namespace hako::init
