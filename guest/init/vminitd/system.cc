#include "init/vminitd/system.h"

#include <fcntl.h>
#include <linux/random.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ranges>
#include <sstream>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace hako::init {
namespace {

constexpr std::size_t kMinEntropy = 32, kMaxEntropy = 512;

// Last mounted first; what is busy becomes read-only, so that its file system is clean.
void unmount_all() {
    std::vector<std::string> targets;
    std::istringstream lines(read_file("/proc/self/mounts").value_or(""));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string source, target;
        fields >> source >> target;
        if (target.starts_with("/run/")) targets.push_back(target);
    }
    for (const auto& target : targets | std::views::reverse)
        if (::umount2(target.c_str(), UMOUNT_NOFOLLOW) != 0)
            ::mount(nullptr, target.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
}

std::uint64_t free_bytes() {
    struct sysinfo memory {};
    return ::sysinfo(&memory) == 0 ? memory.freeram * memory.mem_unit : 0;
}

}  // namespace

std::uint64_t total_memory() {
    struct sysinfo memory {};
    return ::sysinfo(&memory) == 0 ? memory.totalram * memory.mem_unit : 0;
}

Result<agent::v1::InfoResponse> describe_guest() {
    utsname names{};
    if (::uname(&names) != 0) return fail_errno(errno, "cannot describe the guest");
    agent::v1::InfoResponse info;
    info.set_version(HAKO_VERSION);
    info.set_kernel_release(names.release);
    info.set_memory_bytes(total_memory());
    info.set_cpus(static_cast<std::uint32_t>(::sysconf(_SC_NPROCESSORS_ONLN)));
    return info;
}

Result<void> set_time(WallTime time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const timespec value{seconds.time_since_epoch().count(), (time - seconds).count()};
    if (::clock_settime(CLOCK_REALTIME, &value) != 0)
        return fail_errno(errno, "cannot set the clock");
    return {};
}

Result<void> add_entropy(std::string_view data) {
    if (data.size() < kMinEntropy || data.size() > kMaxEntropy)
        return fail(ErrorKind::invalid, "entropy comes in {} to {} bytes, not {}", kMinEntropy,
                    kMaxEntropy, data.size());
    // struct rand_pool_info {int entropy_count; int buf_size; __u32 buf[];}
    std::vector<int> pool(2 + (data.size() + sizeof(int) - 1) / sizeof(int));
    pool[0] = static_cast<int>(data.size() * 8);
    pool[1] = static_cast<int>(data.size());
    std::memcpy(&pool[2], data.data(), data.size());
    HAKO_TRY(const auto random, open_file("/dev/random", O_RDWR));
    if (::ioctl(random.get(), RNDADDENTROPY, pool.data()) != 0 ||
        ::ioctl(random.get(), RNDRESEEDCRNG) != 0)
        return fail_errno(errno, "cannot add entropy");
    return {};
}

Result<std::uint64_t> reclaim_memory(std::uint64_t bytes) {
    // Of all cgroups together. Dirty files are written first.
    ::sync();
    HAKO_TRY(const Fd reclaim, open_file("/sys/fs/cgroup/memory.reclaim", O_WRONLY));
    const auto before = free_bytes();
    const auto wanted = std::to_string(bytes);
    // EAGAIN: there was not so much.
    if (::write(reclaim.get(), wanted.data(), wanted.size()) < 0 && errno != EAGAIN)
        return fail_errno(errno, "cannot reclaim memory");
    const auto after = free_bytes();
    return after > before ? after - before : 0;
}

Result<void> power_off() {
    using namespace std::chrono_literals;
    ::sync();
    ::kill(-1, SIGKILL);  // all but us
    std::this_thread::sleep_for(20ms);
    unmount_all();
    ::sync();
    // QEMU's microvm has no power switch. With -no-reboot a reset ends it just as well, and a
    // machine with a switch is started with -no-reboot too.
    ::reboot(RB_AUTOBOOT);
    return fail_errno(errno, "cannot power off");
}

}  // namespace hako::init
