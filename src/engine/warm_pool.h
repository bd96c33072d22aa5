// VMs that are loaded and wait for a container: a start then only plugs its disks in. They are for
// the machine that most containers have: a running VM takes disks, but no other devices. One with a
// network card has a tap of its own, which is down and gets its name and its bridge from the first
// container; one that needs no card lets go of it.
//
// A VM that takes folders of the host has more memory of its own, and a server beside it. Such ones
// wait, too, while containers with folders are started.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "base/guarded.h"
#include "base/result.h"
#include "engine/host_memory.h"
#include "engine/surroundings.h"
#include "engine/tasks.h"
#include "vmm/machine_spec.h"

namespace hako::engine {

// Starts a VM that waits, and waits for it; what it leaves is to be cleaned up also where it fails.
Result<void> spawn_and_wait(SandboxDriver& driver, const runtime::SandboxSpec& spec,
                            const std::stop_token& stop);

// Any thread may call anything. Its work is a task: end the tasks before the pool goes.
class WarmPool {
public:
    struct Needs {
        // What is started for a machine like this, and whether it rehearses a start also where it
        // could do without. not_found: it cannot be made yet.
        std::function<Result<runtime::SandboxSpec>(const vmm::MachineSpec&, bool rehearses)> plan;
        // Machines with the same key are alike; none: it is not known yet.
        std::function<std::optional<std::string>(const vmm::MachineSpec&)> key;
        // Whether one is there at once: it goes on from a checkpoint.
        std::function<bool(const vmm::MachineSpec&)> is_kept = [](const auto&) { return false; };
        // What VMs wait with is for when there is plenty.
        std::function<bool()> is_memory_short = engine::is_memory_short;
        // Several containers start at once: each is through sooner when no VM is made beside them.
        std::function<bool()> is_busy = [] { return false; };
        std::chrono::milliseconds look_again = std::chrono::seconds(5);
        // Starts that follow each other sooner are better off with VMs that are made sooner.
        std::chrono::milliseconds in_a_row = std::chrono::seconds(2);
        // One that takes folders waits for so long after the last container that had some.
        std::chrono::milliseconds with_shares_for = std::chrono::hours(1);
    };
    WarmPool(unsigned size, Needs needs, SandboxDriver& driver, Tasks& tasks);
    WarmPool(const WarmPool&) = delete;
    WarmPool& operator=(const WarmPool&) = delete;
    ~WarmPool();

    // A VM that is ready for a container.
    struct Waiting {
        std::string id = {};   // empty: none waits
        std::string tap = {};  // of its network card, if it has one
    };

    // Has it filled, and kept full, with VMs like this: in the background.
    void keep(const vmm::MachineSpec& spec);
    // One for a container with this machine and so many cards on bridges; it is the caller's from
    // then on, and another one takes its place.
    Waiting take(const vmm::MachineSpec& spec, std::size_t cards);
    // Likewise, where none waits but one can be had at once.
    Waiting make_at_once(const vmm::MachineSpec& spec, std::size_t cards,
                         const std::stop_token& stop);
    // The VMs that wait end, and no more are made.
    void close();
    std::size_t waiting() const { return state_.lock()->ready.size(); }

private:
    struct Member {
        Waiting vm;
        std::string key;
        bool takes_shares = false;
    };
    struct State {
        std::optional<vmm::MachineSpec> spec;
        // Until then VMs wait that take shares.
        std::chrono::steady_clock::time_point with_shares_until{};
        std::deque<Member> ready;
        std::chrono::steady_clock::time_point last_start{};
        bool starts_in_a_row = false;
        bool works = false;  // the task is there
        bool closed = false;
    };
    void work(const std::stop_token& stop);
    void end_where(const std::function<bool(const Member&)>& condition);
    // One that is missing.
    std::optional<vmm::MachineSpec> missing(const State& state) const;
    void wait_until_not_busy(const std::stop_token& stop) const;
    Result<Member> make(const vmm::MachineSpec& spec, bool rehearses, const std::stop_token& stop);
    bool lives(const Member& member) const;

    const unsigned size_;
    const Needs needs_;
    SandboxDriver& driver_;
    Tasks& tasks_;
    Guarded<State> state_;
    std::condition_variable_any changed_;
};

}  // namespace hako::engine
