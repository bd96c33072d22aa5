// In-memory fakes of this module's interfaces, for tests of those who use them.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "network/firewall.h"
#include "network/links.h"
#include "network/names.h"
#include "network/ports.h"

namespace hako::network {

class FakeHostNetwork : public HostNetwork {
public:
    struct State {
        std::map<std::string, BridgeSpec> bridges;
        std::map<std::string, TapSpec> taps;
        std::set<std::string> waiting;  // taps of VMs that wait
        std::map<std::string, MacvtapSpec> macvtaps;
        std::set<std::string> absent;  // that are no parents
        std::set<Family> forwarding;
        std::vector<Cidr> routes;
    };
    Guarded<State> state;

    Result<void> ensure_bridge(const BridgeSpec& spec) override {
        state.lock()->bridges.insert_or_assign(spec.name, spec);
        return {};
    }
    Result<void> ensure_tap(const TapSpec& spec) override {
        auto held = state.lock();
        if (!held->bridges.contains(spec.bridge))
            return fail(ErrorKind::not_found, "there is no bridge {}", spec.bridge);
        if (!spec.waiting.empty() && held->waiting.erase(spec.waiting) == 0)
            return fail(ErrorKind::not_found, "there is no tap {}", spec.waiting);
        held->taps.insert_or_assign(spec.name, spec);
        return {};
    }
    Result<void> let_wait(const std::string& name, const std::string& waiting) override {
        auto held = state.lock();
        if (held->taps.erase(name) != 0) held->waiting.insert(waiting);
        return {};
    }
    Result<void> ensure_macvtap(const MacvtapSpec& spec) override {
        state.lock()->macvtaps.insert_or_assign(spec.name, spec);
        return {};
    }
    Result<void> find_parent(const std::string& name) const override {
        if (!state.lock()->absent.contains(name)) return {};
        return fail(ErrorKind::not_found, "the host has no link {}", name);
    }
    Result<void> remove_link(const std::string& name) override {
        remove(*state.lock(), name);
        return {};
    }
    Result<std::set<std::string>> links() const override {
        std::set<std::string> names;
        auto held = state.lock();
        for (const auto& [name, spec] : held->bridges) names.insert(name);
        for (const auto& [name, spec] : held->taps) names.insert(name);
        for (const auto& [name, spec] : held->macvtaps) names.insert(name);
        return names;
    }
    Result<void> recover(const std::set<std::string>& known) override {
        HAKO_TRY(const auto names, links());
        auto held = state.lock();
        for (const std::string& name : names)
            if (!known.contains(name)) remove(*held, name);
        return {};
    }
    Result<std::vector<Cidr>> routes() const override { return state.lock()->routes; }
    Result<void> enable_forwarding(Family family) override {
        state.lock()->forwarding.insert(family);
        return {};
    }

private:
    static void remove(State& held, const std::string& name) {
        held.bridges.erase(name);
        held.taps.erase(name);
        held.macvtaps.erase(name);
    }
};

class FakeFirewall : public Firewall {
public:
    struct Applied {
        FirewallState state;
        int times = 0;
    };
    Guarded<Applied> applied;

    Result<void> apply(const FirewallState& state) override {
        auto held = applied.lock();
        held->state = state;
        ++held->times;
        return {};
    }
    Result<void> remove() override {
        applied.lock()->state = {};
        return {};
    }
};

class FakeNames : public Names {
public:
    Guarded<NameTable> table;

    Result<void> set(NameTable next) override {
        *table.lock() = std::move(next);
        return {};
    }
};

class FakePorts : public Ports {
public:
    struct Held {
        std::string name;
        std::vector<PortBinding> bindings;
        std::optional<Address> v4 = {};
        std::optional<Address> v6 = {};
    };
    Guarded<std::map<std::string, Held>> held;

    Result<std::vector<PortBinding>> reserve(const std::string& container,
                                             const std::string& container_name,
                                             const std::vector<PortBinding>& wanted) override {
        auto all = held.lock();
        Held mine{container_name, {}};
        for (PortBinding binding : wanted) {
            if (binding.host_port == 0) binding.host_port = next_random_++;
            binding.host_port_end = 0;
            if (!binding.host_ip) binding.host_ip = Address();
            for (const auto& [id, other] : *all)
                for (const PortBinding& taken : other.bindings)
                    if (taken.host_port == binding.host_port && taken.protocol == binding.protocol)
                        return fail(ErrorKind::conflict,
                                    "port {}/{} is already allocated by container {}",
                                    binding.host_port, to_string(binding.protocol), other.name);
            mine.bindings.push_back(binding);
        }
        all->insert_or_assign(container, mine);
        return mine.bindings;
    }
    Result<void> forward(const std::string& container, std::optional<Address> v4,
                         std::optional<Address> v6) override {
        auto all = held.lock();
        const auto found = all->find(container);
        if (found == all->end())
            return fail(ErrorKind::not_found, "container {} holds no ports", container);
        found->second.v4 = v4;
        found->second.v6 = v6;
        return {};
    }
    void release(const std::string& container) override { held.lock()->erase(container); }

private:
    std::uint16_t next_random_ = 32768;
};

}  // namespace hako::network
