#include "oci/insecure.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>

namespace hako::oci {
namespace {

struct Address {
    std::array<unsigned char, 16> bytes{};
    std::size_t bits = 0;  // 32 or 128
};

std::optional<Address> parse_address(std::string_view text) {
    Address address;
    const std::string copy(text);
    if (::inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) address.bits = 32;
    else if (::inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) address.bits = 128;
    if (address.bits == 0) return std::nullopt;
    return address;
}

struct Network {
    Address address;
    std::size_t prefix = 0;

    bool holds(const Address& other) const {
        if (other.bits != address.bits) return false;
        for (std::size_t bit = 0; bit < prefix; ++bit) {
            const auto mask = 0x80U >> bit % 8;
            if ((address.bytes[bit / 8] & mask) != (other.bytes[bit / 8] & mask)) return false;
        }
        return true;
    }
};

// What a name stands for; nothing where nobody knows it.
std::vector<Address> resolve(const std::string& host) {
    const addrinfo hints{.ai_socktype = SOCK_STREAM};
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    std::vector<Address> addresses;
    for (const auto* entry = found; entry != nullptr; entry = entry->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0,
                          NI_NUMERICHOST) != 0)
            continue;
        if (const auto address = parse_address(text)) addresses.push_back(*address);
    }
    return addresses;
}

std::optional<Network> parse_network(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == text.npos) return std::nullopt;
    const auto address = parse_address(text.substr(0, slash));
    if (!address) return std::nullopt;
    Network network{*address};
    const auto* end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + slash + 1, end, network.prefix);
    if (read.ec != std::errc() || read.ptr != end || network.prefix > address->bits)
        return std::nullopt;
    return network;
}

}  // namespace

bool is_loopback(std::string_view host) {
    if (host == "localhost" || host == "::1") return true;
    return host.starts_with("127.") &&
           host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool is_insecure(const std::vector<std::string>& list, std::string_view host,
                 std::string_view port) {
    const auto bracketed =
        host.find(':') == host.npos ? std::string(host) : fmt::format("[{}]", host);
    std::vector<Network> networks;
    for (const auto& entry : list) {
        if (entry == bracketed || entry == host || entry == fmt::format("{}:{}", bracketed, port))
            return true;
        if (const auto network = parse_network(entry)) networks.push_back(*network);
    }
    // Asking takes time, so only where the answer counts.
    if (networks.empty()) return false;
    const auto addresses = resolve(std::string(host));
    return std::ranges::any_of(networks, [&](const Network& network) {
        return std::ranges::any_of(addresses,
                                   [&](const Address& address) { return network.holds(address); });
    });
}

Result<void> check_insecure(std::string_view entry) {
    if (entry.empty() || entry.find("://") != entry.npos ||
        (entry.find('/') != entry.npos && !parse_network(entry)))
        return fail(ErrorKind::invalid,
                    "\"{}\" names no registry; write host, host:port or a network such as "
                    "10.0.0.0/8",
                    entry);
    return {};
}

}  // namespace hako::oci
