#include "engine/warm_pool.h"

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "runtime/sandbox_spec.h"

namespace hako::engine {
namespace {

constexpr int kMostDoublings = 6;

}  // namespace

WarmPool::WarmPool(unsigned size, Needs needs, SandboxDriver& driver, Tasks& tasks)
    : size_(size), needs_(std::move(needs)), driver_(driver), tasks_(tasks) {}

WarmPool::~WarmPool() { close(); }

void WarmPool::keep(const vmm::MachineSpec& spec) {
    auto state = state_.lock();
    if (size_ == 0 || state->closed) return;
    state->spec = spec;
    changed_.notify_all();
    if (std::exchange(state->works, true)) return;
    tasks_.launch("warm pool", [this](const std::stop_token& stop) { work(stop); });
}

WarmPool::Waiting WarmPool::take(const vmm::MachineSpec& spec, std::size_t cards) {
    if (size_ == 0 || !spec.shares.empty() || !spec.devices.empty()) return {};
    const auto key = needs_.key(spec);
    auto state = state_.lock();
    const auto found = std::ranges::find_if(state->ready, [&](const Member& member) {
        return member.key == key && cards <= (member.vm.card.tap.empty() ? 0 : 1);
    });
    if (found == state->ready.end()) return {};
    Waiting vm = std::move(found->vm);
    state->ready.erase(found);
    changed_.notify_all();
    return vm;
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

Result<WarmPool::Member> WarmPool::make(const vmm::MachineSpec& spec, const std::stop_token& stop) {
    const auto key = needs_.key(spec);
    if (!key) return fail(ErrorKind::not_found, "the machine is not known yet");
    HAKO_TRY(const runtime::SandboxSpec sandbox, needs_.plan(spec));
    const auto made = [&]() -> Result<void> {
        HAKO_CHECK(driver_.spawn(sandbox));
        HAKO_TRY(const auto shim, driver_.connect(sandbox.id, sandbox.id));
        HAKO_CHECK(shim->ready(stop));
        return {};
    }();
    const auto& nics = sandbox.machine.nics;
    if (made) return Member{{sandbox.id, nics.empty() ? vmm::Nic() : nics.front()}, *key};
    (void)driver_.cleanup(sandbox.id, {});
    return fail(made.error());
}

void WarmPool::work(const std::stop_token& stop) {
    int failures = 0;
    while (!stop.stop_requested()) {
        const vmm::MachineSpec spec = *state_.lock()->spec;
        const bool is_short = needs_.is_memory_short();
        const auto key = needs_.key(spec);
        end_where(
            [&](const Member& member) { return is_short || member.key != key || !lives(member); });
        const auto wants_more = [&](const State& state) {
            return !state.closed && state.ready.size() < size_;
        };
        bool full = !is_short;
        while (full && wants_more(*state_.lock()) && !stop.stop_requested()) {
            auto made = make(spec, stop);
            full = made.has_value();
            failures = full ? 0 : failures + 1;
            if (!made && made.error().kind() != ErrorKind::not_found)
                log_warn("no VM waits for the next container: {}", made.error().message());
            if (!made) break;
            auto state = state_.lock();
            state->ready.push_back(*std::move(made));
        }
        auto state = state_.lock();
        const auto pause = needs_.look_again * (1 << std::min(failures, kMostDoublings));
        changed_.wait_for(state.lock(), stop, pause,
                          [&] { return state->closed || (full && wants_more(*state)); });
        if (state->closed) break;
    }
    // One that was made while the pool was closed.
    end_where([](const Member&) { return true; });
}

}  // namespace hako::engine
