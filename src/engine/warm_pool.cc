#include "engine/warm_pool.h"

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "base/thread.h"
#include "runtime/sandbox_spec.h"
#include "vmm/template_devices.h"

namespace hako::engine {
namespace {

constexpr int kMostDoublings = 6;
constexpr std::chrono::milliseconds kMoment{20};

}  // namespace

Result<void> spawn_and_wait(SandboxDriver& driver, const runtime::SandboxSpec& spec,
                            const std::stop_token& stop) {
    HAKO_CHECK(driver.spawn(spec));
    HAKO_TRY(const auto shim, driver.connect(spec.id, spec.id));
    HAKO_CHECK(shim->ready(stop));
    return {};
}

WarmPool::WarmPool(unsigned size, Needs needs, SandboxDriver& driver, Tasks& tasks)
    : size_(size), needs_(std::move(needs)), driver_(driver), tasks_(tasks) {}

WarmPool::~WarmPool() { close(); }

void WarmPool::keep(const vmm::MachineSpec& spec) {
    auto state = state_.lock();
    if (state->closed) return;
    state->spec = spec;
    if (size_ == 0) return;
    changed_.notify_all();
    if (std::exchange(state->works, true)) return;
    tasks_.launch("warm pool", [this](const std::stop_token& stop) { work(stop); });
}

WarmPool::Waiting WarmPool::take(const vmm::MachineSpec& spec, std::size_t cards) {
    if (size_ == 0 || !spec.devices.empty()) return {};
    const auto key = needs_.key(spec);
    const bool takes_shares = vmm::has_share_device(spec);
    auto state = state_.lock();
    const auto fits = [&](const Member& member) {
        return member.key == key && member.takes_shares == takes_shares &&
               cards <= (member.vm.tap.empty() ? 0 : 1);
    };
    if (takes_shares && state->spec && needs_.key(*state->spec) == key) {
        state->with_shares_until = std::chrono::steady_clock::now() + needs_.with_shares_for;
        changed_.notify_all();
    }
    const auto time = std::chrono::steady_clock::now();
    state->starts_in_a_row = time - std::exchange(state->last_start, time) < needs_.in_a_row;
    const auto found = std::ranges::find_if(state->ready, fits);
    if (found == state->ready.end()) return {};
    Waiting vm = std::move(found->vm);
    state->ready.erase(found);
    changed_.notify_all();
    return vm;
}

WarmPool::Waiting WarmPool::make_at_once(const vmm::MachineSpec& spec, std::size_t cards,
                                         const std::stop_token& stop) {
    if (!spec.devices.empty() || vmm::has_share_device(spec)) return {};
    vmm::MachineSpec machine = vmm::template_machine(spec, spec.id, {});
    {
        // It has the devices of all that wait.
        auto state = state_.lock();
        if (!state->spec || state->closed || cards > state->spec->nics.size()) return {};
        machine.disks = state->spec->disks;
        machine.nics = state->spec->nics;
    }
    if (!needs_.is_kept(machine)) return {};
    auto made = make(machine, false, stop);
    if (made) return std::move(made->vm);
    log_warn("a VM that goes on from a checkpoint: {}", made.error().message());
    return {};
}

void WarmPool::close() {
    {
        auto state = state_.lock();
        state->closed = true;
        changed_.notify_all();
    }
    end_where([](const Member&) { return true; });
}

void WarmPool::end_where(const std::function<bool(const Member&)>& condition) {
    const std::deque<Member> members = state_.lock()->ready;
    for (const Member& member : members) {
        if (!condition(member)) continue;
        {
            // Somebody may have taken it meanwhile.
            auto state = state_.lock();
            const auto is_it = [&](const Member& other) { return other.vm.id == member.vm.id; };
            if (std::erase_if(state->ready, is_it) == 0) continue;
        }
        if (const auto gone = driver_.cleanup(member.vm.id, {}); !gone)
            log_warn("a VM that waited does not end: {}", gone.error().message());
    }
}

bool WarmPool::lives(const Member& member) const {
    auto shim = driver_.connect(member.vm.id, member.vm.id);
    return shim && (*shim)->ready({});
}

Result<WarmPool::Member> WarmPool::make(const vmm::MachineSpec& spec, bool rehearses,
                                        const std::stop_token& stop) {
    const auto key = needs_.key(spec);
    if (!key) return fail(ErrorKind::not_found, "the machine is not known yet");
    HAKO_TRY(const runtime::SandboxSpec sandbox, needs_.plan(spec, rehearses));
    const auto made = spawn_and_wait(driver_, sandbox, stop);
    const auto& nics = sandbox.machine.nics;
    if (made)
        return Member{.vm = {sandbox.id, nics.empty() ? "" : nics.front().tap},
                      .key = *key,
                      .takes_shares = spec.takes_shares};
    (void)driver_.cleanup(sandbox.id, {});
    return fail(made.error());
}

std::optional<vmm::MachineSpec> WarmPool::missing(const State& state) const {
    if (state.closed) return {};
    const bool with_shares = std::chrono::steady_clock::now() < state.with_shares_until;
    for (const bool takes_shares : {false, true}) {
        const auto ready = std::ranges::count(state.ready, takes_shares, &Member::takes_shares);
        if (static_cast<std::size_t>(ready) >= size_ || (takes_shares && !with_shares)) continue;
        auto spec = *state.spec;
        spec.takes_shares = takes_shares;
        return spec;
    }
    return {};
}

void WarmPool::wait_until_not_busy(const std::stop_token& stop) const {
    // Who comes with the one that took a VM is here a moment later.
    while (sleep_for(kMoment, stop) && needs_.is_busy() && !state_.lock()->closed) {
    }
}

void WarmPool::work(const std::stop_token& stop) {
    int failures = 0;
    while (!stop.stop_requested()) {
        const bool is_short = needs_.is_memory_short();
        const auto key = needs_.key(*state_.lock()->spec);
        const auto until = state_.lock()->with_shares_until;
        end_where([&](const Member& member) {
            return is_short || member.key != key || !lives(member) ||
                   (member.takes_shares && std::chrono::steady_clock::now() >= until);
        });
        bool full = !is_short;
        while (full && !stop.stop_requested()) {
            const auto spec = missing(*state_.lock());
            if (!spec) break;
            wait_until_not_busy(stop);
            const bool rehearses = !state_.lock()->starts_in_a_row;
            auto made = make(*spec, rehearses, stop);
            if (!made && made.error().kind() != ErrorKind::not_found)
                log_warn("no VM waits for the next container: {}", made.error().message());
            auto state = state_.lock();
            // The others shall not wait for such a one: the next container with shares asks again.
            if (!made && spec->takes_shares) {
                state->with_shares_until = {};
                continue;
            }
            full = made.has_value();
            failures = full ? 0 : failures + 1;
            if (made) state->ready.push_back(*std::move(made));
        }
        auto state = state_.lock();
        const auto pause = needs_.look_again * (1 << std::min(failures, kMostDoublings));
        changed_.wait_for(state.lock(), stop, pause,
                          [&] { return state->closed || (full && missing(*state)); });
        if (state->closed) break;
    }
    // One that was made while the pool was closed.
    end_where([](const Member&) { return true; });
}

}  // namespace hako::engine
