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
    return socket;
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
    // The first attribute, NFTA_GEN_ID, is a number in network order.
    constexpr std::size_t kOffset = sizeof request + sizeof(nlattr);
    if (size < ssize_t{kOffset + 4})
        return fail(ErrorKind::internal, "nftables did not tell its generation");
    std::uint32_t number = 0;
    std::memcpy(&number, answer.data() + kOffset, sizeof number);
    return ntohl(number);
}

class NftFirewall : public Firewall {
public:
    NftFirewall(std::string instance, Fd monitor)
        : instance_(std::move(instance)), monitor_(std::move(monitor)) {
        watcher_ = start_thread("firewall", [this](const std::stop_token& stop) { watch(stop); });
    }

    Result<void> apply(const FirewallState& state) override {
        if (state.networks.empty()) return remove();
        auto held = held_.lock();
        return apply_held(*held, state);
    }

    Result<void> remove() override {
        auto held = held_.lock();
        held->state.reset();
        pass_iptables(instance_, {});
        Json commands = Json::array();
        for (const char* family : {"inet", "bridge"})
            for (const char* verb : {"add", "delete"})
                commands.push_back({{verb, {{"table", {{"family", family}, {"name", table()}}}}}});
        return nft_apply({{"nftables", std::move(commands)}});
    }

private:
    struct Held {
        std::optional<FirewallState> state;  // nullopt: we have no tables
        std::string listing;                 // of our tables as we left them
    };

    std::string table() const { return "hako_" + instance_; }

    Result<std::string> list() const {
        std::string listing;
        for (const char* family : {"inet", "bridge"}) {
            HAKO_TRY(const std::string part, nft({"-a", "list", "table", family, table()}));
            listing += part;
        }
        return listing;
    }

    Result<void> apply_held(Held& held, const FirewallState& state) {
        const Json rules = firewall_ruleset(instance_, state);
        // What is listed is what we left there only when nobody changed anything between.
        for (int attempt = 0; attempt < kAttempts; ++attempt) {
            HAKO_TRY(const std::uint32_t before, generation());
            HAKO_CHECK(nft_apply(rules));
            held.state = state;
            HAKO_TRY(held.listing, list());
            HAKO_TRY(const std::uint32_t after, generation());
            if (after == before + 1) break;
        }
        std::set<std::string> bridges;
        for (const NetworkConfig& network : state.networks) bridges.insert(network.bridge);
        pass_iptables(instance_, bridges);
        return {};
    }

    void watch(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            const auto ready = wait_readable(monitor_.get(), std::chrono::milliseconds(200));
            if (!ready || !*ready || !about_us()) continue;
            auto held = held_.lock();
            if (!held->state) continue;
            const auto now = list();
            if (now && *now == held->listing) continue;
            log_warn(
                "the firewall's rules of our networks were changed by another program; "
                "they are being restored");
            const FirewallState state = *held->state;
            if (const auto done = apply_held(*held, state); !done)
                log_error("cannot restore the firewall's rules: {}", done.error().message());
        }
    }

    // Reads what there is: whether any of it names our tables, or something was lost.
    bool about_us() {
        bool ours = false;
        const std::string name = table() + '\0';
        std::array<char, 65536> message;
        for (;;) {
            const ssize_t size = ::recv(monitor_.get(), message.data(), message.size(), 0);
            if (size < 0 && errno == ENOBUFS) ours = true;
            else if (size <= 0) return ours;
            else if (std::string_view(message.data(), std::size_t(size)).find(name) !=
                     std::string_view::npos)
                ours = true;
        }
    }

    std::string instance_;
    Fd monitor_;
    Guarded<Held> held_;
    std::jthread watcher_;
};

}  // namespace

Result<std::unique_ptr<Firewall>> open_firewall(std::string instance) {
    HAKO_TRY(Fd monitor, open_monitor());
    return std::make_unique<NftFirewall>(std::move(instance), std::move(monitor));
}

}  // namespace hako::network
