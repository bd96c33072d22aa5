#include "network/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace hako::network {

namespace {

// FNV-1a: only to spread names over addresses.
std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001b3U;
    }
    return hash;
}

std::optional<unsigned> number_in(std::string_view text, int base, unsigned max) {
    unsigned value = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value, base);
    if (text.empty() || error != std::errc() || rest != end || value > max) return std::nullopt;
    return value;
}

}  // namespace

std::string_view to_string(Family family) { return family == Family::v4 ? "IPv4" : "IPv6"; }

Address Address::from_bytes(std::span<const std::uint8_t> bytes) {
    Address address;
    address.family_ = bytes.size() == 16 ? Family::v6 : Family::v4;
    std::ranges::copy(bytes.first(std::min<std::size_t>(bytes.size(), 16)), address.bytes_.begin());
    return address;
}

Address Address::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    const std::array<std::uint8_t, 4> bytes{a, b, c, d};
    return from_bytes(bytes);
}

Address Address::any(Family family) {
    Address address;
    address.family_ = family;
    return address;
}

Result<Address> Address::parse(std::string_view text) {
    const std::string copy(text);
    Address address;
    if (copy.find('\0') == std::string::npos) {
        if (::inet_pton(AF_INET, copy.c_str(), address.bytes_.data()) == 1) return address;
        address.family_ = Family::v6;
        if (::inet_pton(AF_INET6, copy.c_str(), address.bytes_.data()) == 1) return address;
    }
    return fail(ErrorKind::invalid, "\"{}\" is no IP address; write 172.20.0.5 or fd00::5", text);
}

bool Address::is_loopback() const {
    if (is_v4()) return bytes_[0] == 127;
    return std::ranges::all_of(std::span(bytes_).first<15>(), [](auto b) { return b == 0; }) &&
           bytes_[15] == 1;
}

bool Address::is_link_local() const {
    if (is_v4()) return bytes_[0] == 169 && bytes_[1] == 254;
    return bytes_[0] == 0xfe && (bytes_[1] & 0xc0U) == 0x80;
}

bool Address::is_multicast() const {
    return is_v4() ? (bytes_[0] & 0xf0U) == 0xe0 : bytes_[0] == 0xff;
}

std::optional<Address> Address::plus(std::uint64_t steps) const {
    Address sum = *this;
    std::uint64_t carry = steps;
    for (std::size_t i = bytes().size(); i-- > 0 && carry != 0;) {
        const std::uint64_t here = sum.bytes_[i] + (carry & 0xffU);
        sum.bytes_[i] = static_cast<std::uint8_t>(here);
        carry = (carry >> 8U) + (here >> 8U);
    }
    if (carry != 0) return std::nullopt;
    return sum;
}

std::optional<std::uint64_t> Address::minus(const Address& low) const {
    if (family_ != low.family_ || *this < low) return std::nullopt;
    std::uint64_t steps = 0;
    int borrow = 0;
    const std::size_t size = bytes().size();
    std::array<std::uint8_t, 16> difference{};
    for (std::size_t i = size; i-- > 0;) {
        const int here = int{bytes_[i]} - int{low.bytes_[i]} - borrow;
        borrow = here < 0 ? 1 : 0;
        difference[i] = static_cast<std::uint8_t>(here);
    }
    for (std::size_t i = 0; i < size; ++i) {
        if (i + 8 < size && difference[i] != 0) return std::nullopt;
        steps = steps << 8U | difference[i];
    }
    return steps;
}

std::string to_string(const Address& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(address.is_v4() ? AF_INET : AF_INET6, address.bytes().data(), text.data(),
                text.size());
    return text.data();
}

Result<Cidr> Cidr::parse(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos)
        return fail(ErrorKind::invalid, "\"{}\" has no prefix length; write 172.20.0.0/16", text);
    HAKO_TRY(const Address address, Address::parse(text.substr(0, slash)));
    const auto prefix = number_in(text.substr(slash + 1), 10, unsigned(address.bits()));
    if (!prefix)
        return fail(ErrorKind::invalid, "the prefix length of \"{}\" is no number from 0 to {}",
                    text, address.bits());
    return Cidr{address, static_cast<int>(*prefix)};
}

Cidr Cidr::network() const {
    std::array<std::uint8_t, 16> bytes{};
    const auto from = address.bytes();
    for (int bit = 0; bit < prefix; bit += 8) {
        const int kept = std::min(8, prefix - bit);
        bytes[std::size_t(bit / 8)] =
            static_cast<std::uint8_t>(from[std::size_t(bit / 8)] & (0xff00U >> unsigned(kept)));
    }
    return {Address::from_bytes(std::span(bytes).first(from.size())), prefix};
}

Address Cidr::last() const {
    std::array<std::uint8_t, 16> bytes{};
    const Address low = first();
    std::ranges::copy(low.bytes(), bytes.begin());
    for (int bit = prefix; bit < address.bits(); ++bit)
        bytes[std::size_t(bit / 8)] |= static_cast<std::uint8_t>(0x80U >> unsigned(bit % 8));
    return Address::from_bytes(std::span(bytes).first(low.bytes().size()));
}

bool Cidr::contains(const Address& other) const {
    return other.family() == family() && Cidr{other, prefix}.network() == network();
}

bool Cidr::contains(const Cidr& other) const {
    return other.prefix >= prefix && contains(other.address);
}

std::string to_string(const Cidr& cidr) {
    return fmt::format("{}/{}", to_string(cidr.address), cidr.prefix);
}

Result<Mac> Mac::parse(std::string_view text) {
    const auto refuse = [&](std::string_view why) {
        return fail(ErrorKind::invalid, "\"{}\" {}; write 02:42:ac:11:00:02", text, why);
    };
    Mac mac;
    if (text.size() != 17) return refuse("is no MAC address");
    for (std::size_t i = 0; i < 6; ++i) {
        const auto byte = number_in(text.substr(i * 3, 2), 16, 0xff);
        const char after = i < 5 ? text[i * 3 + 2] : ':';
        if (!byte || (after != ':' && after != '-')) return refuse("is no MAC address");
        mac.bytes[i] = static_cast<std::uint8_t>(*byte);
    }
    if ((mac.bytes[0] & 1U) != 0) return refuse("is a multicast MAC, which no interface may have");
    if (mac == Mac{}) return refuse("is no MAC that an interface may have");
    return mac;
}

Mac Mac::of(const Address& v4) {
    const auto b = v4.bytes();
    return {{0x02, 0x42, b[0], b[1], b[2], b[3]}};
}

Mac Mac::of(std::string_view text) {
    const std::uint64_t hash = hash_of(text);
    Mac mac{{0x02}};
    for (std::size_t i = 1; i < 6; ++i) mac.bytes[i] = static_cast<std::uint8_t>(hash >> (8 * i));
    return mac;
}

Address Mac::link_local() const {
    const std::array<std::uint8_t, 16> result{
        0xfe,     0x80,     0,
        0,        0,        0,
        0,        0,        static_cast<std::uint8_t>(bytes[0] ^ 2U),
        bytes[1], bytes[2], 0xff,
        0xfe,     bytes[3], bytes[4],
        bytes[5]};
    return Address::from_bytes(result);
}

std::string to_string(const Mac& mac) {
    const auto& b = mac.bytes;
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", b[0], b[1], b[2], b[3], b[4],
                       b[5]);
}

}  // namespace hako::network
