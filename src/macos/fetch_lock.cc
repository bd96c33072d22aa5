#include "macos/fetch_lock.h"

#include <chrono>
#include <thread>

#include "base/paths.h"

namespace hako::macos {
namespace {

constexpr std::string_view kLock = "lock";
constexpr auto kLookAgain = std::chrono::milliseconds(200);
constexpr store::LockWords kFetching{.holder = "process",
                                     .advice = "it fetches the same: wait for it"};

}  // namespace

Result<store::FileLock> take_fetch_lock(const std::filesystem::path& folder) {
    HAKO_CHECK(make_folders(folder, 0755));
    return store::FileLock::acquire(folder / kLock, kFetching);
}

Result<store::FileLock> wait_for_fetch_lock(const std::filesystem::path& folder,
                                            const std::function<void()>& on_wait,
                                            const std::stop_token& stop) {
    for (bool told = false;; told = true) {
        auto lock = take_fetch_lock(folder);
        if (lock || lock.error().kind() != ErrorKind::conflict) return lock;
        if (stop.stop_requested())
            return fail(ErrorKind::cancelled, "the wait for another download was given up");
        if (!told && on_wait) on_wait();
        std::this_thread::sleep_for(kLookAgain);
    }
}

}  // namespace hako::macos
