#include "init/vminitd/wake.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string>

#include "base/log.h"
#include "init/vminitd/system.h"
#include "init/vminitd/timer.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

constexpr int kLookAgain = 2000;  // microseconds

// The kernel looked into the slots when it booted, and found most of them empty.
Result<void> probe_slots() {
    const fs::path bus = "/sys/bus/platform";
    HAKO_TRY(const Fd probe, open_file(bus / "drivers_probe", O_WRONLY));
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(bus / "devices", error)) {
        const auto name = entry.path().filename().string();
        if (!name.starts_with("virtio-mmio.") || fs::exists(entry.path() / "driver", error))
            continue;
        // Refused where the slot is still empty.
        (void)!::write(probe.get(), name.data(), name.size());
    }
    if (error) return fail_errno(error.value(), "cannot look for the VM's devices");
    return {};
}

}  // namespace

Result<std::optional<guest::Wake>> wait_for_wake(int connection, bool is_port) {
    const char word = lets_sleep() ? guest::kWaits : guest::kWaitsRestless;
    HAKO_CHECK(write_all(connection, std::string_view(&word, 1)));
    std::array<std::byte, guest::kWakeBytes> bytes{};
    std::size_t have = 0;
    while (have < bytes.size()) {
        HAKO_TRY(const auto count, read_some(connection, std::span(bytes).subspan(have)));
        have += count;
        if (count != 0) continue;
        if (!is_port) return std::nullopt;
        ::usleep(kLookAgain);
    }
    HAKO_TRY(auto wake, guest::decode_wake(as_text(bytes)));
    return wake;
}

Result<void> wake_up(const guest::Wake& wake) {
    HAKO_CHECK(set_time(wake.time));
    HAKO_CHECK(add_entropy(wake.entropy));
    return probe_slots();
}

}  // namespace hako::init
