#include "init/vminitd/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/ranges.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "init/common/sysctl.h"
#include "init/vminitd/drivers.h"

namespace hako::init {
namespace {

struct Address {
    unsigned char family = AF_INET;
    unsigned char prefix = 0;
    std::vector<std::byte> bytes;  // network order
};

// "10.0.0.2", "10.0.0.0/24", "fd00::/64"; without a prefix it is the whole address.
Result<Address> parse_address(const std::string& text) {
    const auto slash = text.find('/');
    const auto host = text.substr(0, slash);
    Address address;
    address.family = host.find(':') == std::string::npos ? AF_INET : AF_INET6;
    address.bytes.resize(address.family == AF_INET ? 4 : 16);
    if (::inet_pton(address.family, host.c_str(), address.bytes.data()) != 1)
        return fail(ErrorKind::invalid, "\"{}\" is no IP address", text);
    const auto bits = static_cast<unsigned>(address.bytes.size() * 8);
    unsigned prefix = bits;
    if (slash != std::string::npos) {
        const char* end = text.data() + text.size();
        const auto parsed = std::from_chars(text.data() + slash + 1, end, prefix);
        if (parsed.ec != std::errc() || parsed.ptr != end || prefix > bits)
            return fail(ErrorKind::invalid, "\"{}\" has no valid prefix length", text);
    }
    address.prefix = static_cast<unsigned char>(prefix);
    return address;
}

// A netlink request that grows attribute by attribute.
class Request {
public:
    template <typename Body>
    Request(std::uint16_t type, std::uint16_t flags, const Body& body) {
        nlmsghdr header{};
        header.nlmsg_type = type;
        header.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST | NLM_F_ACK);
        append(std::as_bytes(std::span(&header, 1)));
        append(std::as_bytes(std::span(&body, 1)));
    }
    void add(std::uint16_t type, std::span<const std::byte> data) {
        const rtattr header{static_cast<std::uint16_t>(RTA_LENGTH(data.size())), type};
        append(std::as_bytes(std::span(&header, 1)));
        append(data);
    }
    void add(std::uint16_t type, std::uint32_t value) {
        add(type, std::as_bytes(std::span(&value, 1)));
    }
    std::span<const std::byte> finish() {
        const auto length = static_cast<std::uint32_t>(bytes_.size());
        std::memcpy(bytes_.data(), &length, sizeof(length));
        return bytes_;
    }

private:
    void append(std::span<const std::byte> data) {
        bytes_.insert(bytes_.end(), data.begin(), data.end());
        bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    }
    std::vector<std::byte> bytes_;
};

class Netlink {
public:
    static Result<Netlink> open() {
        Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        if (!socket) return fail_errno(errno, "cannot open rtnetlink");
        return Netlink(std::move(socket));
    }
    // 0, or the kernel's errno.
    Result<int> ask(Request request) const {
        const auto bytes = request.finish();
        if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0)
            return fail_errno(errno, "cannot ask the kernel about the network");
        alignas(nlmsghdr) std::array<std::byte, 8192> buffer{};
        const auto got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        nlmsghdr header{};
        nlmsgerr answer{};
        if (got < static_cast<ssize_t>(sizeof(header) + sizeof(answer)))
            return fail(ErrorKind::internal, "the kernel's answer about the network is too short");
        std::memcpy(&header, buffer.data(), sizeof(header));
        std::memcpy(&answer, buffer.data() + sizeof(header), sizeof(answer));
        if (header.nlmsg_type != NLMSG_ERROR)
            return fail(ErrorKind::internal, "the kernel answers something else about the network");
        return -answer.error;
    }

private:
    explicit Netlink(Fd socket) : socket_(std::move(socket)) {}
    Fd socket_;
};

Result<unsigned> interface_index(const std::string& name) {
    const unsigned index = ::if_nametoindex(name.c_str());
    if (index == 0) return fail(ErrorKind::not_found, "the VM has no network interface {}", name);
    return index;
}

Result<void> check(Result<int> answer, const std::string& what) {
    if (!answer) return fail(answer.error());
    if (*answer == 0 || *answer == EEXIST) return {};
    return fail_errno(*answer, "cannot {}", what);
}

// "02:42:ac:11:00:02"
Result<std::array<std::byte, 6>> parse_mac(const std::string& text) {
    std::array<std::byte, 6> bytes{};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (auto& byte : bytes) {
        std::uint8_t value = 0;
        const auto parsed = std::from_chars(at, end, value, 16);
        if (parsed.ec != std::errc() || parsed.ptr != at + 2) break;
        byte = std::byte{value};
        at = parsed.ptr + (parsed.ptr != end && *parsed.ptr == ':' ? 1 : 0);
    }
    if (text.size() != 17 || at != end)
        return fail(ErrorKind::invalid, "\"{}\" is no MAC address", text);
    return bytes;
}

// The MAC that a card was made with, whatever it has now; others have none (zeros).
std::string made_with(int socket, const std::string& name) {
    // An ethtool_perm_addr: what is asked, room for so many bytes, and they.
    constexpr std::uint32_t kRoom = 32;
    std::array<std::uint32_t, 2 + kRoom / 4> address{ETHTOOL_GPERMADDR, kRoom};
    ifreq request{};
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(address.data());
    if (::ioctl(socket, SIOCETHTOOL, &request) != 0) return {};
    std::array<unsigned char, 6> bytes{};
    std::memcpy(bytes.data(), &address[2], bytes.size());
    return fmt::format("{:02x}", fmt::join(bytes, ":"));
}

// What the kernel calls the card that was made with this MAC; empty: no driver has it.
Result<std::string> find_card(const std::string& mac) {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno(errno, "cannot look at the network interfaces");
    std::error_code error;
    for (const auto& card : std::filesystem::directory_iterator("/sys/class/net", error))
        if (auto name = card.path().filename().native(); made_with(socket.get(), name) == mac)
            return name;
    if (error) return fail_errno(error.value(), "cannot list the network interfaces");
    return std::string();
}

// As find_card(), also of one that the driver let go of, or whose slot nobody has looked into yet.
Result<std::string> take_card(const std::string& mac) {
    HAKO_TRY(auto name, find_card(mac));
    for (const auto& device : unbound_devices(kVirtioBus)) {
        if (!name.empty()) return name;
        bind_device(kVirtioBus, device);
        HAKO_TRY(name, find_card(mac));
        if (name.empty()) (void)unbind_device(kVirtioBus, device);
    }
    for (const auto& slot : unbound_devices(kSlotBus)) {
        if (!name.empty()) return name;
        bind_device(kSlotBus, slot);
        HAKO_TRY(name, find_card(mac));
    }
    if (name.empty())
        return fail(ErrorKind::not_found, "the VM has no network card with the MAC {}", mac);
    return name;
}

// The interface is gone then, with its addresses and routes.
Result<void> let_go(const std::string& mac) {
    namespace fs = std::filesystem;
    HAKO_TRY(const auto name, find_card(mac));
    if (name.empty()) return {};
    std::error_code error;
    const auto device = fs::read_symlink(fs::path("/sys/class/net") / name / "device", error);
    if (error) return fail_errno(error.value(), "cannot look at the card {}", name);
    return unbind_device(kVirtioBus, device.filename());
}

Result<void> change_link(const Netlink& netlink, unsigned index, std::uint16_t attribute,
                         std::span<const std::byte> value, const std::string& what) {
    ifinfomsg link{};
    link.ifi_index = static_cast<int>(index);
    Request request(RTM_NEWLINK, 0, link);
    request.add(attribute, value);
    HAKO_TRY(const int error, netlink.ask(std::move(request)));
    return error == 0 ? Result<void>() : fail_errno(error, "cannot {}", what);
}

Result<void> rename(const Netlink& netlink, unsigned index, const std::string& name) {
    return change_link(netlink, index, IFLA_IFNAME,
                       std::as_bytes(std::span(name.c_str(), name.size() + 1)),
                       "call a network card " + name);
}

// The index of the interface that is meant; a card gets its name, and the MAC that it is to have.
Result<unsigned> find_interface(const Netlink& netlink,
                                const agent::v1::ConfigureNetworkRequest::Interface& interface) {
    if (interface.mac().empty()) return interface_index(interface.name());
    const bool is_other = !interface.card().empty();
    HAKO_TRY(const auto name, take_card(is_other ? interface.card() : interface.mac()));
    HAKO_TRY(const auto index, interface_index(name));
    if (name != interface.name()) {
        // The kernel may have called another card so, which is to be named after this one.
        if (const unsigned other = ::if_nametoindex(interface.name().c_str()); other != 0)
            HAKO_CHECK(rename(netlink, other, fmt::format("card{}", other)));
        HAKO_CHECK(rename(netlink, index, interface.name()));
    }
    if (!is_other) return index;
    HAKO_TRY(const auto mac, parse_mac(interface.mac()));
    HAKO_CHECK(
        change_link(netlink, index, IFLA_ADDRESS, mac, "give a card the MAC " + interface.mac()));
    return index;
}

bool has_broadcast(const Address& address) {
    constexpr unsigned char kPointToPoint = 31;  // RFC 3021
    return address.family == AF_INET && address.prefix < kPointToPoint &&
           address.bytes[0] != std::byte{127};
}

std::vector<std::byte> last_of_network(const Address& address) {
    auto bytes = address.bytes;
    for (std::size_t bit = address.prefix; bit < bytes.size() * CHAR_BIT; ++bit)
        bytes[bit / CHAR_BIT] |= std::byte{0x80} >> bit % CHAR_BIT;
    return bytes;
}

// As Docker: a card without an address of IPv6 gives itself none, either. A card may have been of a
// rehearsal, and so have been told otherwise. Kernels without IPv6 have no such setting.
Result<void> allow_ipv6(const agent::v1::ConfigureNetworkRequest::Interface& interface) {
    const bool allowed = std::ranges::any_of(interface.addresses(), [](const std::string& text) {
        return text.find(':') != std::string::npos;
    });
    const auto name = fmt::format("net/ipv6/conf/{}/disable_ipv6", interface.name());
    auto set = set_sysctl(name, allowed ? "0" : "1");
    if (!set && set.error().kind() == ErrorKind::not_found) return {};
    return set;
}

Result<void> configure_interface(const Netlink& netlink,
                                 const agent::v1::ConfigureNetworkRequest::Interface& interface) {
    if (interface.name().empty()) return let_go(interface.card());
    HAKO_TRY(const auto index, find_interface(netlink, interface));
    ifinfomsg link{};
    link.ifi_family = AF_UNSPEC;
    link.ifi_index = static_cast<int>(index);
    if (interface.mtu() != 0) {
        Request request(RTM_NEWLINK, 0, link);
        request.add(IFLA_MTU, interface.mtu());
        HAKO_CHECK(check(netlink.ask(std::move(request)), "set up " + interface.name()));
    }
    if (!interface.mac().empty()) HAKO_CHECK(allow_ipv6(interface));
    for (const auto& [path, value] : interface.sysctls()) HAKO_CHECK(set_sysctl(path, value));
    for (const auto& text : interface.addresses()) {
        HAKO_TRY(const auto address, parse_address(text));
        ifaddrmsg body{};
        body.ifa_family = address.family;
        body.ifa_prefixlen = address.prefix;
        body.ifa_index = index;
        // The host gave it: nobody else on the link has it.
        if (address.family == AF_INET6) body.ifa_flags = IFA_F_NODAD;
        // The kernel wants all addresses of one network to be of one scope, and has 127.0.0.1.
        else if (address.bytes[0] == std::byte{127}) body.ifa_scope = RT_SCOPE_HOST;
        Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body);
        request.add(IFA_LOCAL, address.bytes);
        request.add(IFA_ADDRESS, address.bytes);
        if (has_broadcast(address)) request.add(IFA_BROADCAST, last_of_network(address));
        HAKO_CHECK(check(netlink.ask(std::move(request)),
                         "give " + interface.name() + " the address " + text));
    }
    link.ifi_change = IFF_UP;
    link.ifi_flags = interface.up() ? IFF_UP : 0;
    return check(netlink.ask(Request(RTM_NEWLINK, 0, link)), "switch " + interface.name());
}

Result<void> add_route(const Netlink& netlink,
                       const agent::v1::ConfigureNetworkRequest::Route& route) {
    rtmsg body{};
    body.rtm_table = RT_TABLE_MAIN;
    body.rtm_protocol = RTPROT_STATIC;
    body.rtm_scope = route.gateway().empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    body.rtm_type = RTN_UNICAST;
    Address gateway, destination;
    if (!route.gateway().empty()) {
        HAKO_TRY(gateway, parse_address(route.gateway()));
        body.rtm_family = gateway.family;
    }
    if (route.destination() != "default") {
        HAKO_TRY(destination, parse_address(route.destination()));
        body.rtm_family = destination.family;
        body.rtm_dst_len = destination.prefix;
    } else if (route.gateway().empty()) {
        body.rtm_family = AF_INET;
    }
    if (!gateway.bytes.empty() && gateway.family != body.rtm_family)
        return fail(ErrorKind::invalid, "route {} and its gateway {} are of different families",
                    route.destination(), route.gateway());
    Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body);
    if (!destination.bytes.empty()) request.add(RTA_DST, destination.bytes);
    if (!gateway.bytes.empty()) request.add(RTA_GATEWAY, gateway.bytes);
    if (!route.interface().empty()) {
        HAKO_TRY(const auto index, interface_index(route.interface()));
        request.add(RTA_OIF, index);
    }
    return check(netlink.ask(std::move(request)),
                 "add the route " + route.destination() + " via " + route.gateway());
}

}  // namespace

Result<void> configure_network(const agent::v1::ConfigureNetworkRequest& request) {
    HAKO_TRY(const auto netlink, Netlink::open());
    for (const auto& interface : request.interfaces())
        HAKO_CHECK(configure_interface(netlink, interface));
    for (const auto& route : request.routes()) HAKO_CHECK(add_route(netlink, route));
    const auto& name = request.hostname();
    if (!name.empty() && ::sethostname(name.data(), name.size()) != 0)
        return fail_errno(errno, "cannot set the host name \"{}\"", name);
    return {};
}

}  // namespace hako::init
