#include "network/firewall.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "base/thread.h"
#include "network/iptables.h"

namespace hako::network {

namespace {

constexpr std::chrono::seconds kDeadline{60};
constexpr int kAttempts = 5;

Result<std::string> nft(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"nft", "-j"});
    const auto done = run({std::move(arguments)}, kDeadline);
    if (!done && done.error().kind() == ErrorKind::not_found)
        return fail(ErrorKind::unavailable, "networks need nft; install the package nftables");
    if (!done) return fail(done.error());
    if (!done->status.success())
        return fail(ErrorKind::internal, "nft refused the firewall's rules: {}", trim(done->err));
    return done->out;
}

// As one transaction. By a file: nft opens /dev/stdin anew, which our pipe to it does not permit.
Result<void> nft_apply(const Json& commands) {
    HAKO_TRY(const TempDir folder, TempDir::create());
    const auto path = folder.path() / "rules.json";
    HAKO_CHECK(write_file(path, dump_json(commands)));
    HAKO_TRY(const auto done, nft({"-f", path}));
    return {};
}

// Told of all changes of nftables in this network namespace.
Result<Fd> open_monitor() {
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    const int group = NFNLGRP_NFTABLES;
    if (!socket ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
        return fail_errno(errno, "cannot watch nftables; the kernel needs nf_tables");
    // Room for the rules of hundreds of containers; less where it is not permitted.
    const int room = 8 << 20;
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
        (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    return socket;
}

// The first attribute of a message: a table's name in all of the tables' contents, and the number
// in network order of a generation.
std::string_view first_attribute(std::string_view message) {
    constexpr std::size_t kOffset = sizeof(nlmsghdr) + sizeof(nfgenmsg);
    nlattr attribute{};
    if (message.size() < kOffset + sizeof attribute) return {};
    std::memcpy(&attribute, message.data() + kOffset, sizeof attribute);
    const std::string_view rest = message.substr(kOffset);
    if (attribute.nla_len < sizeof attribute || attribute.nla_len > rest.size()) return {};
    return rest.substr(sizeof attribute, attribute.nla_len - sizeof attribute);
}

// Of a message NFT_MSG_NEWGEN.
std::optional<std::uint32_t> generation_in(std::string_view message) {
    const std::string_view value = first_attribute(message);
    std::uint32_t number = 0;
    if (value.size() != sizeof number) return {};
    std::memcpy(&number, value.data(), sizeof number);
    return ntohl(number);
}

// The number of changes of nftables in this network namespace, modulo 2^32.
Result<std::uint32_t> generation() {
    struct {
        nlmsghdr header;
        nfgenmsg body;
    } request{};
    request.header = {sizeof request, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN, NLM_F_REQUEST,
                      0, 0};
    std::array<char, 4096> answer{};
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!socket || ::send(socket.get(), &request, sizeof request, 0) < 0)
        return fail_errno(errno, "cannot ask nftables for its generation");
    const ssize_t size = ::recv(socket.get(), answer.data(), answer.size(), 0);
    const auto number = generation_in({answer.data(), std::size_t(std::max<ssize_t>(size, 0))});
    if (!number) return fail(ErrorKind::internal, "nftables did not tell its generation");
    return *number;
}

// What a monitor tells, taken apart into the changes that were made at once.
class Changes {
public:
    explicit Changes(const std::string& table) : name_(table + '\0') {}

    struct Heard {
        std::vector<std::uint32_t> of_table;  // generations in which our tables changed
        std::vector<std::uint32_t> others;
        bool lost = false;  // more was told than there was room for
    };

    // All that there is to read.
    Heard read(int monitor) {
        Heard heard;
        for (;;) {
            const ssize_t size = ::recv(monitor, buffer_.data(), buffer_.size(), 0);
            if (size < 0 && errno == ENOBUFS) heard.lost = true;
            else if (size <= 0) return heard;
            else take({buffer_.data(), std::size_t(size)}, heard);
        }
    }

private:
    void take(std::string_view messages, Heard& heard) {
        nlmsghdr header{};
        while (messages.size() >= sizeof header) {
            std::memcpy(&header, messages.data(), sizeof header);
            if (header.nlmsg_len < sizeof header) return;
            const std::string_view message = messages.substr(0, header.nlmsg_len);
            if (header.nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN)) {
                // It comes after what was changed in it.
                if (const auto number = generation_in(message))
                    (names_table_ ? heard.of_table : heard.others).push_back(*number);
                names_table_ = false;
            } else if (first_attribute(message) == name_) {
                names_table_ = true;
            }
            messages.remove_prefix(
                std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), messages.size()));
        }
    }

    std::string name_;
    bool names_table_ = false;
    std::array<char, 65536> buffer_{};
};

// How long iptables is left alone after it was asked.
constexpr std::chrono::seconds kIptablesPause{5};

class NftFirewall : public Firewall {
public:
    NftFirewall(std::string instance, Fd monitor)
        : instance_(std::move(instance)), monitor_(std::move(monitor)), changes_(table()) {
        watcher_ = start_thread("firewall", [this](const std::stop_token& stop) { watch(stop); });
    }

    Result<void> apply(const FirewallState& state) override {
        if (state.networks.empty()) return remove();
        std::set<std::string> bridges;
        for (const NetworkConfig& network : state.networks) bridges.insert(network.bridge);
        auto held = held_.lock();
        HAKO_CHECK(apply_held(*held, state));
        if (held->bridges != bridges) pass_iptables(instance_, bridges);
        held->bridges = std::move(bridges);
        held->ask_iptables = true;
        return {};
    }

    Result<void> remove() override {
        auto held = held_.lock();
        held->state.reset();
        held->bridges.clear();
        pass_iptables(instance_, {});
        Json commands = Json::array();
        for (const char* family : {"inet", "bridge"})
            for (const char* verb : {"add", "delete"})
                commands.push_back({{verb, {{"table", {{"family", family}, {"name", table()}}}}}});
        return replace(*held, {{"nftables", std::move(commands)}});
    }

private:
    struct Held {
        std::optional<FirewallState> state;   // nullopt: we have no tables
        std::set<std::uint32_t> generations;  // that we made and were not told of
        std::uint32_t last = 0;               // of those that we made
        std::uint32_t whole = 0;              // of those that replaced all of our tables
        std::set<std::string> bridges;        // that iptables accepts
        bool ask_iptables = false;            // whether it still does
    };

    std::string table() const { return "hako_" + instance_; }

    // False: somebody else changed nftables meanwhile, so that it is not known which change was
    // ours.
    Result<bool> change(Held& held, const Json& commands) const {
        HAKO_TRY(const std::uint32_t before, generation());
        HAKO_CHECK(nft_apply(commands));
        HAKO_TRY(const std::uint32_t after, generation());
        if (after != before + 1) return false;
        held.generations.insert(after);
        held.last = after;
        return true;
    }

    // Whatever there is of our tables.
    Result<void> replace(Held& held, const Json& tables) const {
        for (int attempt = 0; attempt < kAttempts; ++attempt) {
            HAKO_TRY(const bool known, change(held, tables));
            held.whole = held.last;
            if (known) break;
        }
        return {};
    }

    Result<void> apply_held(Held& held, const FirewallState& state) const {
        if (const auto commands =
                held.state ? firewall_change(instance_, *held.state, state) : std::nullopt) {
            // Where somebody changed our tables it may fail.
            const auto known =
                commands->at("nftables").empty() ? Result<bool>(true) : change(held, *commands);
            if (known && *known) {
                held.state = state;
                return {};
            }
        }
        return restore(held, state);
    }

    Result<void> restore(Held& held, const FirewallState& state) const {
        HAKO_CHECK(replace(held, firewall_ruleset(instance_, state)));
        held.state = state;
        return {};
    }

    void watch(const std::stop_token& stop) {
        std::chrono::steady_clock::time_point asked;
        while (!stop.stop_requested()) {
            const auto ready = wait_readable(monitor_.get(), std::chrono::milliseconds(200));
            if (ready && *ready) heed_others();
            const auto now = std::chrono::steady_clock::now();
            if (now < asked + kIptablesPause) continue;
            auto held = held_.lock();
            if (!std::exchange(held->ask_iptables, false)) continue;
            pass_iptables(instance_, held->bridges);
            asked = now;
        }
    }

    // After a change of nftables: ours are put back where somebody else changed them.
    void heed_others() {
        const Changes::Heard heard = changes_.read(monitor_.get());
        auto held = held_.lock();
        bool ours = !heard.lost;
        if (heard.lost) {
            // What replaced all of it has mended whatever was before.
            const auto now = generation();
            ours = now && *now == held->last && held->last == held->whole;
            held->generations.clear();
        }
        for (const std::uint32_t number : heard.of_table)
            if (held->generations.erase(number) == 0 && !heard.lost) ours = false;
        if (!held->state) return;
        // iptables may well be another way to say nftables.
        for (const std::uint32_t number : heard.others)
            if (held->generations.erase(number) == 0) held->ask_iptables = true;
        if (ours) return;
        log_warn(
            "the firewall's rules of our networks were changed by another program; "
            "they are being restored");
        const FirewallState state = *held->state;
        if (const auto done = restore(*held, state); !done)
            log_error("cannot restore the firewall's rules: {}", done.error().message());
    }

    std::string instance_;
    Fd monitor_;
    Changes changes_;  // the watcher's
    Guarded<Held> held_;
    std::jthread watcher_;
};

}  // namespace

Result<std::unique_ptr<Firewall>> open_firewall(std::string instance) {
    HAKO_TRY(Fd monitor, open_monitor());
    return std::make_unique<NftFirewall>(std::move(instance), std::move(monitor));
}

}  // namespace hako::network
