// Networks that come and go while a container runs. Its VM has cards that wait for one: what was a
// card's tap becomes the network's, and the other way round.
#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "engine/endpoint_options.h"
#include "engine/networks.h"

namespace hako::engine {
namespace {

const std::string& vm_of(const Container& container) {
    return container.state.vm.empty() ? container.id : container.state.vm;
}

auto find_on(std::vector<Attachment>& attachments, const std::string& network) {
    return std::ranges::find(attachments, network, &Attachment::network_id);
}

// A VM of a hako that did not write down its cards has none to give.
const vmm::Nic* find_free(const std::vector<vmm::Nic>& cards,
                          const std::vector<Attachment>& attachments) {
    const auto is_unknown = [](const Attachment& one) { return one.live() && one.card.empty(); };
    if (std::ranges::any_of(attachments, is_unknown)) return nullptr;
    for (const vmm::Nic& nic : cards)
        if (std::ranges::find(attachments, nic.mac, &Attachment::card) == attachments.end())
            return &nic;
    return nullptr;
}

}  // namespace

Joined Networks::describe(const State& state, const Container& container,
                          std::string_view without) const {
    std::vector<Attachment> attachments;
    if (const auto found = state.attachments.find(container.id); found != state.attachments.end())
        std::ranges::copy_if(
            found->second, std::back_inserter(attachments),
            [&](const Attachment& one) { return one.live() && one.network_id != without; });
    return describe_guest(container, attachments, state.networks, source_.resolv_conf());
}

Joined Networks::describe(const Container& container) const {
    return describe(*state_.lock(), container, {});
}

// Where they belong among the networks that there are now.
void Networks::place_ports(State& state, const Container& container,
                           std::vector<PublishedPort> ports) {
    auto& attachments = state.attachments[container.id];
    for (Attachment& one : attachments)
        std::ranges::move(std::exchange(one.ports, {}), std::back_inserter(ports));
    if (ports.empty()) return;
    if (!attachments.empty()) published_on(attachments, state.networks).ports = std::move(ports);
    else if (const auto holder = source_.ports(); holder) (*holder)->release(container.id);
}

Result<void> Networks::plug(State& state, const Container& container, Attachment added) {
    auto& attachments = state.attachments[container.id];
    attachments.push_back(std::move(added));
    Attachment& one = attachments.back();
    HAKO_CHECK(allocate(state, container.id, one));
    if (std::ranges::all_of(attachments, [](const auto& any) { return any.ports.empty(); }))
        HAKO_CHECK(publish(state, container, attachments));
    else place_ports(state, container);
    HAKO_CHECK(store_.save(container.id, attachments));
    HAKO_CHECK(add_link(state, container.id, one, waiting_tap(vm_of(container), one.card)));
    HAKO_CHECK(apply(state));
    return forward(container.id, attachments);
}

Result<NetworkChange> Networks::plug(const Container& container, std::string_view reference,
                                     const EndpointSettings& settings,
                                     const std::vector<vmm::Nic>& cards) {
    auto state = state_.lock();
    HAKO_TRY(Attachment added, new_attachment(*state, container, reference, settings));
    NetworkChange change{.container = container.id,
                         .network = state->networks.at(added.network_id),
                         .before = describe(*state, container, {}),
                         .after = {}};
    if (change.network.driver != network::driver_bridge)
        return fail(
            ErrorKind::conflict,
            "container {} is running: a card on the network {}, which is of the driver {}, "
            "cannot be added to its virtual machine; stop it, connect it and start it again",
            container.name, change.network.name, change.network.driver);
    auto& attachments = state->attachments[container.id];
    const vmm::Nic* card = find_free(cards, attachments);
    if (card == nullptr || !state->running.contains(container.id))
        return fail(ErrorKind::conflict,
                    "container {} is running: its virtual machine has no network card left; stop "
                    "it, connect it and start it again",
                    container.name);
    added.card = card->mac;
    added.interface = interface_name(added, attachments);
    added.changes = true;
    if (const auto plugged = plug(*state, container, std::move(added)); !plugged) {
        unplug(*state, container, change.network.id);
        return fail(plugged.error());
    }
    change.after = describe(*state, container, {});
    return change;
}

void Networks::keep(const NetworkChange& change) {
    auto state = state_.lock();
    auto& attachments = state->attachments[change.container];
    const auto found = find_on(attachments, change.network.id);
    if (found == attachments.end()) return;
    found->changes = false;
    if (const auto saved = store_.save(change.container, attachments); !saved)
        log_warn("network {}: {}", change.network.name, saved.error().message());
}

Result<NetworkChange> Networks::plan_unplug(const Container& container,
                                            std::string_view reference) {
    auto state = state_.lock();
    HAKO_TRY(const Network network, find_attached(*state, container, reference));
    auto& attachments = state->attachments[container.id];
    const auto found = find_on(attachments, network.id);
    if (found->live() && (network.driver != network::driver_bridge || found->card.empty()))
        return fail(ErrorKind::conflict,
                    "container {} is running: its card on the network {} cannot be taken from its "
                    "virtual machine; stop it, disconnect it and start it again",
                    container.name, network.name);
    found->changes = true;
    HAKO_CHECK(store_.save(container.id, attachments));
    return NetworkChange{.container = container.id,
                         .network = network,
                         .before = describe(*state, container, {}),
                         .after = describe(*state, container, network.id)};
}

// All but the rules, which are for the caller to apply.
void Networks::take_out(State& state, const Container& container, const std::string& network) {
    auto& attachments = state.attachments[container.id];
    const auto found = find_on(attachments, network);
    if (found == attachments.end()) return;
    const Attachment gone = std::move(*found);
    attachments.erase(found);
    place_ports(state, container, gone.ports);
    for (const auto& text : {gone.ipv4, gone.ipv6})
        if (const auto address = network::Address::parse(text); address)
            state.ipam.release(network, *address);
    const auto quieten = [&]() -> Result<void> {
        if (!gone.live()) return {};
        HAKO_TRY(auto* const links, source_.links());
        return links->let_wait(network::tap_name(container.id, network),
                               waiting_tap(vm_of(container), gone.card));
    };
    if (const auto quiet = quieten(); !quiet)
        log_warn("container {}: {}", container.name, quiet.error().message());
    if (const auto saved = store_.save(container.id, attachments); !saved)
        log_warn("container {}: {}", container.name, saved.error().message());
}

void Networks::unplug(State& state, const Container& container, const std::string& network) {
    take_out(state, container, network);
    auto applied = apply(state);
    if (applied) applied = forward(container.id, state.attachments[container.id]);
    if (!applied) log_warn("container {}: {}", container.name, applied.error().message());
}

void Networks::unplug(const Container& container, const std::string& network) {
    auto state = state_.lock();
    unplug(*state, container, network);
}

// Nobody heard that they came, and who wanted them gone did not hear that either.
std::vector<NetworkChange> Networks::undo_changes(State& state,
                                                  const std::vector<Container>& running) {
    std::vector<NetworkChange> undone;
    for (const Container& container : running)
        for (const Attachment& one : std::vector(state.attachments[container.id])) {
            if (!one.changes) continue;
            NetworkChange change{.container = container.id,
                                 .network = {},
                                 .before = describe(state, container, {}),
                                 .after = describe(state, container, one.network_id)};
            change.network.id = one.network_id;
            change.network.name = one.network_name;
            take_out(state, container, one.network_id);
            undone.push_back(std::move(change));
        }
    return undone;
}

}  // namespace hako::engine
