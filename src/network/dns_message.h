// DNS packets (RFC 1035), as much as a forwarding server needs. All input is hostile: every length
// is checked, compression only points backwards, nothing is allocated by a packet's counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "network/address.h"

namespace hako::network::dns {

using Packet = std::vector<std::byte>;

inline constexpr std::uint16_t type_a = 1;
inline constexpr std::uint16_t type_soa = 6;
inline constexpr std::uint16_t type_ptr = 12;
inline constexpr std::uint16_t type_aaaa = 28;
inline constexpr std::uint16_t type_opt = 41;
inline constexpr std::uint16_t type_any = 255;
inline constexpr std::uint16_t class_in = 1;

enum class Code : std::uint8_t {
    no_error = 0,
    format_error = 1,
    server_failure = 2,
    name_error = 3,
    not_implemented = 4,
    refused = 5,
};

struct Query {
    std::uint16_t id = 0;
    bool recursion_desired = false;
    std::string name;  // in lower case, without the last dot; odd bytes as \DDD
    std::uint16_t type = 0;
    std::uint16_t klass = 0;
    Packet question;  // as it was asked
    // What the client said in an OPT record (RFC 6891): how much a datagram may hold.
    bool extended = false;
    bool dnssec = false;
    std::size_t limit = 512;
};

// What a packet that came to a server is: a query, one to refuse with a code, or nothing to answer.
struct Received {
    std::optional<Query> query;
    std::optional<Code> refusal;
};
Received read_query(std::span<const std::byte> packet);

struct Answer {
    std::uint16_t type;
    std::uint32_t ttl;
    Packet data;
};
Answer address_answer(const Address& address, std::uint32_t ttl);
// The name must be one of ours: labels of at most 63 bytes.
Answer name_answer(const std::string& name, std::uint32_t ttl);

// The reply; what does not fit into the limit is left out and the reply marked as truncated.
Packet write_reply(const Query& query, Code code, const std::vector<Answer>& answers,
                   std::size_t limit);
// To a packet whose header is all that is understood of it.
Packet write_refusal(std::span<const std::byte> packet, Code code);

// A resolver's reply, checked against the query; nullopt when it is not for that.
struct Reply {
    Code code = Code::no_error;
    bool truncated = false;
    // How long it may be kept, in seconds: the least of its records (RFC 2308 for what does not
    // exist); nullopt when it may not.
    std::optional<std::uint32_t> ttl;
    std::vector<std::size_t> ttl_offsets;  // where the records' times to live are
};
std::optional<Reply> read_reply(std::span<const std::byte> packet, const Query& query);

void set_id(Packet& packet, std::uint16_t id);
// A kept reply as one to this query, its records' times to live `age` seconds shorter.
Packet renew(const Packet& reply, const Reply& summary, const Query& query, std::uint32_t age);
// Within the limit: a larger one becomes a truncated one without records.
Packet fit(Packet reply, const Query& query, std::size_t limit);

// The address that a name such as 2.0.17.172.in-addr.arpa asks for.
std::optional<Address> reverse_address(const std::string& name);

}  // namespace hako::network::dns
