// What is downloaded for all machines of a host is downloaded by one process at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>

#include "store/file.h"

namespace hako::macos {

// Whoever else holds it brings what is wanted into the folder, or ends without it: then it is our
// turn. `on_wait` is called once, before a wait. Makes the folder. ErrorKind::cancelled.
Result<store::FileLock> wait_for_fetch_lock(const std::filesystem::path& folder,
                                            const std::function<void()>& on_wait,
                                            const std::stop_token& stop);
// Without a wait: ErrorKind::conflict names the process that fetches.
Result<store::FileLock> take_fetch_lock(const std::filesystem::path& folder);

}  // namespace hako::macos
