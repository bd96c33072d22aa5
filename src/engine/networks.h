// The networks that there are, and who is on them: records, addresses, and what the host has for
// them. A bridge is made for the first container that runs on its network, and stays until the
// network or the daemon goes; taps, rules, names and ports are those of containers that run.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "engine/network_store.h"
#include "engine/network_types.h"
#include "engine/types.h"
#include "network/firewall.h"
#include "network/ipam.h"
#include "network/links.h"
#include "network/names.h"
#include "network/ports.h"
#include "runtime/sandbox_spec.h"

namespace hako::engine {

constexpr std::string_view kDefaultNetwork = "bridge";

// The host's side, made when it is first needed: a daemon whose containers have no network leaves
// the host's alone. Any thread may call anything.
class NetworkSource {
public:
    NetworkSource() = default;
    NetworkSource(const NetworkSource&) = delete;
    NetworkSource& operator=(const NetworkSource&) = delete;
    virtual ~NetworkSource() = default;
    virtual Result<network::HostNetwork*> links() = 0;
    virtual Result<network::Firewall*> firewall() = 0;
    virtual Result<network::Names*> names() = 0;
    virtual Result<network::Ports*> ports() = 0;
    // The host's /etc/resolv.conf; empty without one.
    virtual std::string resolv_conf() = 0;
    // Whether this process may change the host's network at all.
    virtual bool permitted() = 0;
};

// What a container that starts gets of its networks.
struct Joined {
    std::vector<vmm::Nic> nics;
    runtime::NetworkSpec spec;
    std::vector<std::string> addresses;  // its own
    std::string gateway;                 // of the network that its default route is on
    std::string resolv_conf;             // empty: the image's stays
};

// A network that comes or goes while the container runs, and what that makes of its guest.
struct NetworkChange {
    std::string container;  // id
    Network network;
    Joined before, after;
};

// Thread-safe; calls that change the host wait for each other.
class Networks {
public:
    // default_bridge: containers that name no network are on `bridge`; else on none.
    static Result<std::unique_ptr<Networks>> open(store::Database& database, NetworkSource& source,
                                                  bool default_bridge);

    Result<Network> create(const NetworkRequest& request);
    // By id, name or unique beginning of an id. not_found "network x not found".
    Result<Network> find(std::string_view reference);
    Result<std::vector<Network>> list(const NetworkFilter& filter = {});
    // The one that went. ErrorKind::forbidden while containers run on it.
    Result<Network> remove(std::string_view reference);

    // --- of a container; none of these may run at the same time for the same one.
    // Records where a new container belongs, by its network mode and what its client says of
    // single networks.
    Result<void> enlist(const Container& container,
                        const std::map<std::string, EndpointSettings>& wanted);
    // Of one that does not run.
    Result<Network> connect(const Container& container, std::string_view reference,
                            const EndpointSettings& settings);
    Result<Network> disconnect(const Container& container, std::string_view reference);
    void forget(const std::string& container);
    // Before its VM starts: addresses, taps, rules, names, ports. Nothing is left after an error.
    // waiting: the tap of the one card of a VM that waited.
    Result<Joined> join(const Container& container, const std::string& waiting = {});
    // Of one that runs, with the cards that its VM was started with: it gets a card that has no
    // network, and all that the host has to do for it. Then the guest is to be told, and keep() or
    // unplug() to be called. ErrorKind::conflict without such a card. Nothing is left after an
    // error.
    Result<NetworkChange> plug(const Container& container, std::string_view reference,
                               const EndpointSettings& settings,
                               const std::vector<vmm::Nic>& cards);
    void keep(const NetworkChange& change);
    // The other way round: what the guest is to be told before unplug() ends it.
    Result<NetworkChange> plan_unplug(const Container& container, std::string_view reference);
    // The card is without a network then. Also when it never had one, or the VM has ended.
    void unplug(const Container& container, const std::string& network);
    // After its VM has ended, also when it never joined: the networks that it left. Its addresses,
    // names and ports are free; the host has its rules and taps until clear().
    std::vector<Attachment> leave(const std::string& container);
    // Removes what leave() left on the host. Not needed before anything else.
    void clear();
    // In network mode host: these ports of the container ("80/tcp") are published under their own
    // numbers from now on, and no others. Returns why some are not, each reason once.
    std::vector<Error> publish_listening(const std::string& container,
                                         const std::set<std::string>& ports);
    std::vector<Attachment> attachments(const std::string& container) const;
    // Of one that runs: what its guest has of its networks.
    Joined describe(const Container& container) const;
    // What clients are shown of a container with --network none, which has no attachment.
    static Attachment shown_as_none();
    // How many cards its VM needs; none where one of them is no port of a bridge.
    std::optional<std::size_t> bridged(const std::string& container) const;
    // Whether containers that name no network are on one.
    bool has_default() const { return default_bridge_; }
    void rename(const std::string& container, const std::string& name);

    // Puts the host in the state that these containers need, and no others; by id. Networks that
    // were about to come or to go are gone: what their guests are to be told.
    Result<std::vector<NetworkChange>> recover(const std::vector<Container>& running);

private:
    struct State {
        std::map<std::string, Network> networks;  // by id
        std::map<std::string, std::vector<Attachment>> attachments;
        std::map<std::string, Container> running;  // those that joined
        std::set<std::string> bridges;             // ids of networks whose bridge is up
        std::set<std::string> refused;             // listeners that the host has no port for
        std::set<std::string> left_taps;           // of containers that left
        bool rules_stale = false;                  // they have rules for containers that left
        network::Ipam ipam = network::Ipam();
    };
    Networks(NetworkStore store, NetworkSource& source, bool default_bridge)
        : store_(store), source_(source), default_bridge_(default_bridge) {}

    Result<void> ensure_default(State& state);
    Result<Network> add(State& state, const NetworkRequest& request);
    static Result<Network*> look_up(State& state, std::string_view reference);
    static Network with_members(const State& state, const Network& network);
    Result<Attachment> make_attachment(const Network& network,
                                       const EndpointSettings& settings) const;
    // For a container that may be connected to it, and is not yet.
    Result<Attachment> new_attachment(State& state, const Container& container,
                                      std::string_view reference, const EndpointSettings& settings);
    // The network's, of a container that may be disconnected from it.
    static Result<Network> find_attached(State& state, const Container& container,
                                         std::string_view reference);
    // --- network_join.cc
    Result<void> raise(State& state, const Network& network);
    Result<void> allocate(State& state, const std::string& container, Attachment& attachment);
    Result<void> add_link(State& state, const std::string& container, const Attachment& attachment,
                          const std::string& waiting = {});
    Result<Joined> join(State& state, const Container& container, const std::string& waiting);
    void leave(State& state, const std::string& container);
    Result<void> publish(State& state, const Container& container,
                         std::vector<Attachment>& attachments);
    Result<void> forward(const std::string& container, const std::vector<Attachment>& attachments);
    // Rules and names of all that run.
    Result<void> apply(State& state);
    static Result<std::vector<network::Endpoint>> endpoints(const State& state);
    Result<void> set_names(const State& state, const std::vector<network::Endpoint>& endpoints);
    void remove_tap(const std::string& tap);
    void remove_left_taps(State& state);
    void clear(State& state);
    std::vector<network::NetworkConfig> raised(const State& state) const;
    // --- network_plug.cc
    Joined describe(const State& state, const Container& container, std::string_view without) const;
    void place_ports(State& state, const Container& container,
                     std::vector<PublishedPort> ports = {});
    Result<void> plug(State& state, const Container& container, Attachment added);
    void take_out(State& state, const Container& container, const std::string& network);
    void unplug(State& state, const Container& container, const std::string& network);
    std::vector<NetworkChange> undo_changes(State& state, const std::vector<Container>& running);

    NetworkStore store_;
    NetworkSource& source_;
    const bool default_bridge_;
    Guarded<State> state_;
};

// Ports are published on the first network that the rest of the world is behind, else on the first.
Attachment& published_on(std::vector<Attachment>& attachments,
                         const std::map<std::string, Network>& networks);

// --- network_guest.cc: pure functions.
// The name of a card's tap while the card, which was made with this MAC, has no network.
std::string waiting_tap(std::string_view vm, std::string_view card);
// A card for a network that may come later: where the VM has one, and room for another.
void add_spare_card(vmm::MachineSpec& machine, const std::string& vm);
// Of attachments that are live, and their networks.
Joined describe_guest(const Container& container, const std::vector<Attachment>& attachments,
                      const std::map<std::string, Network>& networks,
                      std::string_view host_resolv_conf);

}  // namespace hako::engine
