#include "network/dns.h"

#include <array>
#include <map>
#include <utility>

#include "network/dns_cache.h"
#include "network/dns_forward.h"
#include "network/name_index.h"
#include "network/resolv_conf.h"

namespace hako::network {

namespace {

using namespace dns;

// Of our own names: they change with containers, and to ask us costs nothing.
constexpr std::uint32_t kTtl = 10;
constexpr int kBatch = 64;
constexpr std::size_t kLargestMessage = 65535;
constexpr std::size_t kConnections = 256;
constexpr std::chrono::seconds kIdle{10};

// A TCP client: messages with their length before, any number of them.
class Connection {
public:
    using Handler = std::function<void(std::span<const std::byte> message)>;

    Connection(EventLoop& loop, Fd socket, Handler handler, std::function<void()> ended)
        : socket_(std::move(socket)), handler_(std::move(handler)), ended_(std::move(ended)) {
        watch_ = loop.watch(socket_.get(), EPOLLIN, [this](std::uint32_t) { step(); });
    }

    void send(const Packet& message) {
        out_.push_back(static_cast<std::byte>(message.size() >> 8U));
        out_.push_back(static_cast<std::byte>(message.size()));
        out_.insert(out_.end(), message.begin(), message.end());
        flush();
    }
    EventLoop::Clock::time_point used() const { return used_; }
    void stop() { watch_.reset(); }

private:
    void step() {
        flush();
        // Who does not take its answers gets no more.
        if (out_.size() > kLargestMessage) return;
        std::array<std::byte, 16384> buffer;
        const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) return ended_();
        used_ = EventLoop::Clock::now();
        in_.insert(in_.end(), buffer.begin(), buffer.begin() + size);
        std::size_t begin = 0;
        while (in_.size() - begin >= 2) {
            const std::size_t length = std::to_integer<std::size_t>(in_[begin]) << 8U |
                                       std::to_integer<std::size_t>(in_[begin + 1]);
            if (in_.size() - begin < length + 2) break;
            handler_(std::span(in_).subspan(begin + 2, length));
            begin += length + 2;
        }
        in_.erase(in_.begin(), in_.begin() + std::ptrdiff_t(begin));
    }
    void flush() {
        while (!out_.empty()) {
            const ssize_t sent = ::send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
            if (sent <= 0) break;
            out_.erase(out_.begin(), out_.begin() + sent);
        }
        const bool full = out_.size() > kLargestMessage;
        watch_.want((full ? 0U : std::uint32_t{EPOLLIN}) |
                    (out_.empty() ? 0U : std::uint32_t{EPOLLOUT}));
    }

    Fd socket_;
    Handler handler_;
    std::function<void()> ended_;
    Packet in_;
    Packet out_;
    EventLoop::Clock::time_point used_ = EventLoop::Clock::now();
    Watch watch_;
};

class DnsServer : public Names {
public:
    DnsServer(std::unique_ptr<EventLoop> loop, const DnsOptions& options)
        : loop_(std::move(loop)),
          port_(options.port),
          host_resolvers_(options.resolv_conf, options.systemd_resolv_conf),
          forwarder_(std::in_place, *loop_, options.upstream_port, options.upstream_timeout) {
        loop_->call([this] { tidy(); });
    }
    ~DnsServer() override {
        loop_->call([this] {
            listeners_.clear();
            connections_.clear();
            forwarder_.reset();
        });
        loop_.reset();
    }

    Result<void> set(NameTable table) override {
        NameIndex index(std::move(table));
        Result<void> result;
        loop_->call([&] {
            names_ = std::move(index);
            result = listen();
        });
        return result;
    }

private:
    struct Listener {
        std::string network;
        Fd udp;
        Fd tcp;
        Watch udp_watch = {};
        Watch tcp_watch = {};
    };
    using Send = std::function<void(const Packet&)>;
    struct Client {
        std::string network;
        Address address;
        Protocol protocol;
    };

    Result<void> listen() {
        std::map<Address, std::string> wanted;
        for (const auto& [id, network] : names_.table())
            for (const Address& gateway : network.gateways) wanted.emplace(gateway, id);
        std::erase_if(listeners_, [&](const auto& entry) {
            const auto found = wanted.find(entry.first);
            return found == wanted.end() || found->second != entry.second->network;
        });
        Result<void> result;
        for (const auto& [gateway, network] : wanted)
            if (!listeners_.contains(gateway))
                if (auto added = add_listener(gateway, network); !added) result = std::move(added);
        return result;
    }

    Result<void> add_listener(const Address& gateway, const std::string& network) {
        const auto refused = [](Error error) {
            return fail(std::move(error).context(
                "containers' names cannot be served; free port 53 (another DNS server must not "
                "listen on all addresses)"));
        };
        auto udp = bind_socket(Protocol::udp, {gateway, port_});
        if (!udp) return refused(std::move(udp.error()));
        auto tcp = bind_socket(Protocol::tcp, {gateway, port_});
        if (!tcp) return refused(std::move(tcp.error()));
        auto added =
            std::make_unique<Listener>(Listener{network, *std::move(udp), *std::move(tcp)});
        Listener& listener = *added;
        listener.udp_watch = loop_->watch(listener.udp.get(), EPOLLIN,
                                          [this, &listener](auto) { receive(listener); });
        listener.tcp_watch = loop_->watch(listener.tcp.get(), EPOLLIN,
                                          [this, &listener](auto) { accept_one(listener); });
        listeners_.emplace(gateway, std::move(added));
        return {};
    }

    void receive(const Listener& listener) {
        for (int i = 0; i < kBatch; ++i) {
            const auto datagram = receive_datagram(listener.udp.get(), buffer_);
            if (!datagram) return;
            answer({listener.network, datagram->from.address, Protocol::udp},
                   std::span(buffer_).first(datagram->size),
                   [this, from = datagram->from, to = datagram->to](const Packet& reply) {
                       // The network may be gone by now.
                       const auto found = listeners_.find(to);
                       if (found != listeners_.end())
                           send_datagram(found->second->udp.get(), from, to, reply);
                   });
        }
    }

    void accept_one(const Listener& listener) {
        RawAddress peer;
        Fd socket(
            ::accept4(listener.tcp.get(), peer.get(), &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket || connections_.size() >= kConnections) return;
        const std::uint64_t id = next_connection_++;
        const Client client{listener.network, peer.value().address, Protocol::tcp};
        connections_.emplace(id, std::make_shared<Connection>(
                                     *loop_, std::move(socket),
                                     [this, id, client](std::span<const std::byte> message) {
                                         answer(client, message, [this, id](const Packet& reply) {
                                             const auto found = connections_.find(id);
                                             if (found != connections_.end())
                                                 found->second->send(reply);
                                         });
                                     },
                                     [this, id] { end(connections_.find(id)); }));
    }

    using Connections = std::map<std::uint64_t, std::shared_ptr<Connection>>;
    Connections::iterator end(Connections::iterator connection) {
        connection->second->stop();
        // It may still be on the stack.
        loop_->after(std::chrono::milliseconds(0), [ended = std::move(connection->second)] {});
        return connections_.erase(connection);
    }

    void tidy() {
        const auto old = EventLoop::Clock::now() - kIdle;
        for (auto it = connections_.begin(); it != connections_.end();)
            it = it->second->used() < old ? end(it) : std::next(it);
        loop_->after(std::chrono::seconds(1), [this] { tidy(); });
    }

    void answer(const Client& client, std::span<const std::byte> packet, const Send& send) {
        const Received received = read_query(packet);
        if (received.refusal) return send(write_refusal(packet, *received.refusal));
        if (!received.query) return;
        const Query& query = *received.query;
        const std::size_t limit = client.protocol == Protocol::tcp ? kLargestMessage : query.limit;
        if (const auto known = known_answers(client, query))
            return send(write_reply(query, Code::no_error, *known, limit));
        if (!names_.forwards(client.network, client.address))
            return send(write_reply(query, Code::name_error, {}, limit));
        forward(client, query, packet, limit, send);
    }

    // Of our own names; empty when the name is ours but has nothing of that type.
    std::optional<std::vector<Answer>> known_answers(const Client& client, const Query& query) {
        if (query.klass != class_in) return std::nullopt;
        std::vector<Answer> answers;
        if (query.type == type_ptr) {
            const auto address = reverse_address(query.name);
            if (!address) return std::nullopt;
            const auto name = names_.name_of(client.network, client.address, *address);
            if (!name) return std::nullopt;
            answers.push_back(name_answer(*name, kTtl));
            return answers;
        }
        const auto addresses = names_.addresses(client.network, client.address, query.name);
        if (!addresses) return std::nullopt;
        for (const Address& address : *addresses)
            if (query.type == type_any || query.type == (address.is_v4() ? type_a : type_aaaa))
                answers.push_back(address_answer(address, kTtl));
        return answers;
    }

    void forward(const Client& client, const Query& query, std::span<const std::byte> packet,
                 std::size_t limit, const Send& send) {
        std::vector<Address> resolvers = names_.resolvers(client.network, client.address);
        if (resolvers.empty()) resolvers = host_resolvers_.get();
        // We are no resolver of our own.
        std::erase_if(resolvers,
                      [&](const Address& address) { return listeners_.contains(address); });
        if (const auto kept = cache_.get(resolvers, query, Cache::Clock::now()))
            return send(fit(*kept, query, limit));
        const auto done = [this, resolvers, query, limit, send](const Packet* reply,
                                                                const Reply* summary) {
            if (reply == nullptr) return send(write_reply(query, Code::server_failure, {}, limit));
            cache_.put(resolvers, query, *reply, *summary, Cache::Clock::now());
            send(fit(*reply, query, limit));
        };
        if (!forwarder_->ask(client.protocol, client.address, query,
                             Packet(packet.begin(), packet.end()), resolvers, done))
            send(write_reply(query, Code::server_failure, {}, limit));
    }

    std::unique_ptr<EventLoop> loop_;
    std::uint16_t port_;
    // For the loop's thread only.
    HostResolvers host_resolvers_;
    std::optional<Forwarder> forwarder_;
    NameIndex names_;
    Cache cache_;
    std::map<Address, std::unique_ptr<Listener>> listeners_;
    Connections connections_;
    std::uint64_t next_connection_ = 0;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(kLargestMessage + 1);
};

}  // namespace

Result<std::unique_ptr<Names>> start_dns(DnsOptions options) {
    HAKO_TRY(auto loop, EventLoop::start("dns"));
    return std::make_unique<DnsServer>(std::move(loop), options);
}

}  // namespace hako::network
