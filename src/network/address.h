// Addresses as values: IP of both families in one type, subnets, MACs. Parse errors name the text.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hako::network {

enum class Family : std::uint8_t { v4, v6 };
// "IPv4", "IPv6".
std::string_view to_string(Family family);

// An IPv4 or IPv6 address. IPv4 sorts before IPv6.
class Address {
public:
    Address() = default;  // 0.0.0.0
    // bytes: 4 or 16, in network order.
    static Address from_bytes(std::span<const std::uint8_t> bytes);
    static Address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d);
    // 0.0.0.0, ::
    static Address any(Family family);
    static Result<Address> parse(std::string_view text);

    Family family() const { return family_; }
    bool is_v4() const { return family_ == Family::v4; }
    int bits() const { return is_v4() ? 32 : 128; }
    // 4 or 16, in network order.
    std::span<const std::uint8_t> bytes() const {
        return {bytes_.data(), is_v4() ? std::size_t{4} : std::size_t{16}};
    }
    bool is_any() const { return *this == any(family_); }
    bool is_loopback() const;
    bool is_link_local() const;
    bool is_multicast() const;
    // The address `steps` further on; nullopt past the end of the family.
    std::optional<Address> plus(std::uint64_t steps) const;
    // How many steps from `low` to this; nullopt when that is negative or over 64 bits.
    std::optional<std::uint64_t> minus(const Address& low) const;

    auto operator<=>(const Address&) const = default;

private:
    Family family_ = Family::v4;
    std::array<std::uint8_t, 16> bytes_{};
};
std::string to_string(const Address& address);

// An address with a prefix length: a subnet, or an address in one.
struct Cidr {
    Address address;
    int prefix = 0;

    // "10.1.0.0/16". The host part is kept: network() clears it.
    static Result<Cidr> parse(std::string_view text);

    Family family() const { return address.family(); }
    Cidr network() const;
    // Of an IPv4 subnet the last one is the broadcast address.
    Address first() const { return network().address; }
    Address last() const;
    bool contains(const Address& other) const;
    bool contains(const Cidr& other) const;
    bool overlaps(const Cidr& other) const { return contains(other) || other.contains(*this); }

    auto operator<=>(const Cidr&) const = default;
};
std::string to_string(const Cidr& cidr);

// The address of an interface on its link.
struct Mac {
    std::array<std::uint8_t, 6> bytes{};

    // "02:42:ac:11:00:02", also with '-'. Refuses multicast and all zeros: no interface may have
    // them.
    static Result<Mac> parse(std::string_view text);
    // 02:42 and the four bytes of the address, as Docker does: stable, and unique in an IPv4
    // subnet.
    static Mac of(const Address& v4);
    // Locally administered, the rest from a hash of the text.
    static Mac of(std::string_view text);

    // fe80::/64 with the interface id made of this MAC (EUI-64).
    Address link_local() const;

    auto operator<=>(const Mac&) const = default;
};
std::string to_string(const Mac& mac);

}  // namespace hako::network
