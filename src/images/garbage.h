// When garbage may be collected: never while something is being added that no record names yet.
#pragma once

#include <functional>
#include <utility>

#include "base/guarded.h"

namespace hako::images {

// Thread-safe. Must outlive its leases.
class Garbage {
public:
    // sweep removes what nothing refers to; it is never run by two threads at once.
    explicit Garbage(std::function<void()> sweep) : sweep_(std::move(sweep)) {}

    // Nothing is collected while a lease lives.
    class Lease {
    public:
        Lease(Lease&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
        Lease& operator=(Lease&&) = delete;
        ~Lease() {
            if (owner_ != nullptr) owner_->end_lease();
        }

    private:
        friend class Garbage;
        explicit Lease(Garbage& owner) : owner_(&owner) {}
        Garbage* owner_;
    };
    [[nodiscard]] Lease lease() {
        ++state_.lock()->leases;
        return Lease(*this);
    }

    // Sweeps now, or when the last lease ends.
    void collect() {
        auto state = state_.lock();
        state->wanted = true;
        sweep_if_idle(*state);
    }

    // Runs act while no lease is out and none can be taken; false, and not run, when one is.
    bool when_idle(const std::function<void()>& act) {
        auto state = state_.lock();
        if (state->leases > 0) return false;
        act();
        return true;
    }

private:
    struct State {
        int leases = 0;
        bool wanted = false;
    };

    void end_lease() {
        auto state = state_.lock();
        --state->leases;
        sweep_if_idle(*state);
    }
    void sweep_if_idle(State& state) {
        if (state.leases > 0 || !state.wanted) return;
        state.wanted = false;
        sweep_();
    }

    std::function<void()> sweep_;
    Guarded<State> state_;
};

}  // namespace hako::images
