// Packets for the tests of DNS.
#pragma once

#include <algorithm>
#include <string_view>

#include "network/dns_message.h"

namespace hako::network::dns {

// The question with id 0x1234, letters as given.
inline Packet question(std::string_view name, std::uint16_t type) {
    Packet packet;
    const auto put = [&](unsigned value) { packet.push_back(static_cast<std::byte>(value)); };
    for (const unsigned byte : {0x12U, 0x34U, 1U, 0U, 0U, 1U, 0U, 0U, 0U, 0U, 0U, 0U}) put(byte);
    while (!name.empty()) {
        const std::string_view label = name.substr(0, name.find('.'));
        put(unsigned(label.size()));
        for (const char c : label) put(static_cast<unsigned char>(c));
        name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    for (const unsigned byte : {0U, unsigned(type >> 8U), unsigned(type & 0xffU), 0U, 1U})
        put(byte);
    return packet;
}

// Of the A and AAAA records in a reply of ours.
inline std::vector<Address> addresses_in(const Packet& packet) {
    const auto u8 = [&](std::size_t i) { return std::to_integer<std::uint8_t>(packet.at(i)); };
    std::size_t at = 12;
    while (u8(at) != 0) at += u8(at) + std::size_t{1};
    at += 5;
    std::vector<Address> addresses;
    for (int i = 0; i < u8(6) * 256 + u8(7); ++i) {
        const std::size_t size = u8(at + 11);
        std::vector<std::uint8_t> bytes;
        for (std::size_t j = 0; j < size; ++j) bytes.push_back(u8(at + 12 + j));
        addresses.push_back(Address::from_bytes(bytes));
        at += 12 + size;
    }
    return addresses;
}

}  // namespace hako::network::dns
