// Folders that nobody needs any more. To delete a disk can take the host a while, since it waits
// for what it is just writing of it; no verb waits for that.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace hako::engine {

struct Context;

// It is gone from its place at once, and deleted in the background. No error when it is not there.
Result<void> throw_away(Context& context, const std::filesystem::path& folder);
// What a daemon that ended has left, in the background.
void empty_trash(Context& context);

}  // namespace hako::engine
