#include "init/vminitd/wake.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "base/log.h"
#include "init/vminitd/drivers.h"
#include "init/vminitd/system.h"
#include "init/vminitd/timer.h"

namespace hako::init {
namespace {

constexpr int kLookAgain = 2000;  // microseconds

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
    if (wake.slots == 0) return {};
    // The kernel looked into the slots when it booted, and found some of them empty.
    for (const auto& slot : unbound_devices(kSlotBus))
        if (slot_number(slot) < wake.slots) bind_device(kSlotBus, slot);
    return {};
}

}  // namespace hako::init
