#include "runtime/relayed_channel.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/thread.h"
#include "base/units.h"
#include "guest/wake.h"

namespace hako::runtime {
namespace {

constexpr std::size_t kBuffer = 64 * kKiB;
constexpr int kLookAgain = 100;  // ms

// What one end has for the other. False: it has ended.
bool pass_on(int from, int to, std::span<std::byte> buffer) {
    const auto count = read_some(from, buffer);
    return count && *count > 0 && write_all(to, buffer.first(*count));
}

}  // namespace

Result<std::unique_ptr<RelayedChannel>> RelayedChannel::start(Fd channel) {
    HAKO_TRY(FdPair ends, make_socket_pair());
    std::unique_ptr<RelayedChannel> relay(new RelayedChannel);
    relay->channel_ = std::move(channel);
    relay->inner_ = std::move(ends.first);
    relay->outer_ = std::move(ends.second);
    relay->closed_ = Fd(::eventfd(0, EFD_CLOEXEC));
    if (!relay->closed_) return fail_errno(errno, "cannot make an eventfd");
    relay->thread_ = start_thread(
        "agent-relay", [relay = relay.get()](const std::stop_token& stop) { relay->relay(stop); });
    return relay;
}

void RelayedChannel::relay(const std::stop_token& stop) {
    std::vector<std::byte> buffer(kBuffer);
    bool open = true;
    while (open && !stop.stop_requested()) {
        std::array entries{pollfd{inner_.get(), POLLIN, 0}, pollfd{channel_.get(), POLLIN, 0}};
        if (::poll(entries.data(), entries.size(), kLookAgain) <= 0) continue;
        if (entries[1].revents != 0) open = pass_on(channel_.get(), inner_.get(), buffer);
        if (open && entries[0].revents != 0) open = pass_on(inner_.get(), channel_.get(), buffer);
    }
    ::eventfd_write(closed_.get(), 1);
}

Result<void> RelayedChannel::wait_closed(std::chrono::milliseconds deadline) {
    HAKO_TRY(const bool closed, wait_readable(closed_.get(), deadline));
    if (!closed) return fail(ErrorKind::deadline, "the agent's channel is in use");
    return {};
}

Result<void> say_doze(int channel, std::chrono::milliseconds deadline) {
    HAKO_CHECK(write_all(channel, guest::kDoze));
    // What the guest had on its way comes before that.
    const auto waits = [](std::string_view heard) {
        if (heard.empty() ||
            (heard.back() != guest::kWaits && heard.back() != guest::kWaitsRestless))
            return false;
        heard.remove_suffix(1);
        return heard.ends_with(guest::kDoze);
    };
    std::string heard;
    std::vector<std::byte> buffer(kBuffer);
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!waits(heard)) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        HAKO_TRY(const bool more,
                 wait_readable(channel, std::max(left, std::chrono::milliseconds(0))));
        HAKO_TRY(const auto count, more ? read_some(channel, buffer) : Result<std::size_t>(0));
        if (count == 0) return fail(ErrorKind::deadline, "the guest does not wait again");
        heard += as_text(std::span(buffer).first(count));
        if (heard.size() > kBuffer) heard.erase(0, heard.size() - kBuffer / 2);
    }
    return {};
}

}  // namespace hako::runtime
