#include "network/dns_message.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace hako::network::dns {

namespace {

constexpr std::size_t kHeader = 12;
constexpr std::size_t kLongestName = 255;
// A datagram larger than this is cut into fragments, which get lost.
constexpr std::size_t kLargestDatagram = 1232;

constexpr std::uint16_t kResponse = 0x8000;
constexpr std::uint16_t kTruncated = 0x0200;
constexpr std::uint16_t kRecursionDesired = 0x0100;
constexpr std::uint16_t kRecursionAvailable = 0x0080;

using Bytes = std::span<const std::byte>;

// Reads on until something does not fit; then it stays failed.
class Reader {
public:
    explicit Reader(Bytes packet, std::size_t offset = 0) : packet_(packet), offset_(offset) {}

    bool failed() const { return failed_; }
    std::size_t offset() const { return offset_; }
    std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t u32() { return number(4); }
    void skip(std::size_t size) {
        if (size > left()) failed_ = true;
        else offset_ += size;
    }
    // Past a name, whether it ends itself or with a pointer.
    void skip_name() {
        for (std::size_t total = 0; !failed_;) {
            const std::uint32_t length = number(1);
            if ((length & 0xc0U) == 0xc0) return skip(1);
            if ((length & 0xc0U) != 0 || (total += length + 1) > kLongestName) failed_ = true;
            if (length == 0) return;
            skip(length);
        }
    }
    // A name without pointers, as a question has it.
    std::string plain_name() {
        std::string name;
        for (std::size_t total = 0; !failed_;) {
            const std::uint32_t length = number(1);
            if (length > 63 || (total += length + 1) > kLongestName || length > left()) {
                failed_ = true;
                break;
            }
            if (length == 0) break;
            if (!name.empty()) name += '.';
            for (const std::byte byte : packet_.subspan(offset_, length)) {
                const auto c = static_cast<unsigned char>(byte);
                if (c > ' ' && c < 127 && c != '.' && c != '\\') name += static_cast<char>(c);
                else name += fmt::format("\\{:03}", c);
            }
            skip(length);
        }
        return to_lower(name);
    }

private:
    std::size_t left() const { return packet_.size() - offset_; }
    std::uint32_t number(std::size_t size) {
        if (failed_ || size > left()) {
            failed_ = true;
            return 0;
        }
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < size; ++i)
            value = value << 8U | std::to_integer<std::uint32_t>(packet_[offset_ + i]);
        offset_ += size;
        return value;
    }

    Bytes packet_;
    std::size_t offset_;
    bool failed_ = false;
};

struct Header {
    std::uint16_t id, flags, questions, answers, authorities, additionals;
};
Header read_header(Reader& reader) {
    Header header{};
    for (auto* field : {&header.id, &header.flags, &header.questions, &header.answers,
                        &header.authorities, &header.additionals})
        *field = reader.u16();
    return header;
}

struct Record {
    std::uint16_t type, klass;
    std::uint32_t ttl;
    std::size_t ttl_offset, data, size;
};
Record read_record(Reader& reader) {
    Record record{};
    reader.skip_name();
    record.type = reader.u16();
    record.klass = reader.u16();
    record.ttl_offset = reader.offset();
    record.ttl = reader.u32();
    record.size = reader.u16();
    record.data = reader.offset();
    reader.skip(record.size);
    return record;
}

void put(Packet& packet, std::uint64_t value, std::size_t size) {
    for (std::size_t i = size; i-- > 0;) packet.push_back(static_cast<std::byte>(value >> (8 * i)));
}
void put(Packet& packet, Bytes data) { packet.insert(packet.end(), data.begin(), data.end()); }

void put_at(Packet& packet, std::size_t offset, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
        packet[offset + i] = static_cast<std::byte>(value >> (8 * (size - 1 - i)));
}

std::uint16_t reply_flags(bool recursion_desired, Code code, bool truncated) {
    return static_cast<std::uint16_t>(kResponse | kRecursionAvailable |
                                      (recursion_desired ? kRecursionDesired : 0U) |
                                      (truncated ? kTruncated : 0U) | unsigned(code));
}

}  // namespace

Received read_query(Bytes packet) {
    Reader reader(packet);
    const Header header = read_header(reader);
    // A reply is never answered: two servers would go on for ever.
    if (reader.failed() || (header.flags & kResponse) != 0) return {};
    if ((header.flags & 0x7800U) != 0) return {std::nullopt, Code::not_implemented};
    if (header.questions != 1) return {std::nullopt, Code::format_error};
    Query query{header.id, (header.flags & kRecursionDesired) != 0};
    query.name = reader.plain_name();
    query.type = reader.u16();
    query.klass = reader.u16();
    if (reader.failed()) return {std::nullopt, Code::format_error};
    const Bytes question = packet.subspan(kHeader, reader.offset() - kHeader);
    query.question.assign(question.begin(), question.end());
    const unsigned records = unsigned(header.answers) + header.authorities + header.additionals;
    for (unsigned i = 0; i < records; ++i) {
        const Record record = read_record(reader);
        if (reader.failed()) return {std::nullopt, Code::format_error};
        if (record.type != type_opt) continue;
        query.extended = true;
        query.dnssec = (record.ttl & 0x8000U) != 0;
        query.limit = std::clamp<std::size_t>(record.klass, 512, kLargestDatagram);
    }
    return {std::move(query), std::nullopt};
}

Answer address_answer(const Address& address, std::uint32_t ttl) {
    const auto bytes = std::as_bytes(address.bytes());
    return {address.is_v4() ? type_a : type_aaaa, ttl, {bytes.begin(), bytes.end()}};
}

Answer name_answer(const std::string& name, std::uint32_t ttl) {
    Answer answer{type_ptr, ttl, {}};
    for (std::size_t begin = 0; begin <= name.size();) {
        const std::size_t end = std::min(name.find('.', begin), name.size());
        const std::string label = name.substr(begin, std::min<std::size_t>(end - begin, 63));
        put(answer.data, label.size(), 1);
        for (const char c : label) answer.data.push_back(static_cast<std::byte>(c));
        begin = end + 1;
    }
    put(answer.data, 0, 1);
    return answer;
}

Packet write_reply(const Query& query, Code code, const std::vector<Answer>& answers,
                   std::size_t limit) {
    constexpr std::size_t kOptSize = 11;
    Packet packet;
    put(packet, query.id, 2);
    put(packet, 0, 2);  // flags: below
    for (const int count : {1, 0, 0, query.extended ? 1 : 0}) put(packet, unsigned(count), 2);
    put(packet, query.question);
    std::size_t written = 0;
    for (const Answer& answer : answers) {
        const std::size_t end =
            packet.size() + 12 + answer.data.size() + (query.extended ? kOptSize : 0);
        if (end > limit) break;
        put(packet, 0xc000U | kHeader, 2);  // the question's name
        put(packet, answer.type, 2);
        put(packet, class_in, 2);
        put(packet, answer.ttl, 4);
        put(packet, answer.data.size(), 2);
        put(packet, answer.data);
        ++written;
    }
    if (query.extended) {
        put(packet, 0, 1);
        put(packet, type_opt, 2);
        put(packet, kLargestDatagram, 2);
        put(packet, 0, 6);
    }
    put_at(packet, 2, reply_flags(query.recursion_desired, code, written < answers.size()), 2);
    put_at(packet, 6, written, 2);
    return packet;
}

Packet write_refusal(Bytes packet, Code code) {
    Reader reader(packet);
    const Header header = read_header(reader);
    Packet reply;
    put(reply, header.id, 2);
    put(reply, (header.flags & 0x7800U) | reply_flags(false, code, false), 2);
    put(reply, 0, 8);
    return reply;
}

std::optional<Reply> read_reply(Bytes packet, const Query& query) {
    Reader reader(packet);
    const Header header = read_header(reader);
    if (reader.failed() || (header.flags & kResponse) == 0 || header.id != query.id ||
        header.questions != 1)
        return std::nullopt;
    if (reader.plain_name() != query.name || reader.u16() != query.type ||
        reader.u16() != query.klass || reader.failed())
        return std::nullopt;
    Reply reply;
    reply.code = static_cast<Code>(header.flags & 0xfU);
    reply.truncated = (header.flags & kTruncated) != 0;
    const unsigned records = unsigned(header.answers) + header.authorities + header.additionals;
    for (unsigned i = 0; i < records; ++i) {
        const Record record = read_record(reader);
        if (reader.failed()) return reply.truncated ? std::optional(reply) : std::nullopt;
        if (record.type == type_opt) continue;
        reply.ttl_offsets.push_back(record.ttl_offset);
        std::uint32_t ttl = record.ttl;
        // The last number of a SOA record: how long its zone has no such name.
        if (record.type == type_soa && record.size >= 4)
            ttl = std::min(ttl, Reader(packet, record.data + record.size - 4).u32());
        reply.ttl = std::min(ttl, reply.ttl.value_or(ttl));
    }
    if (reply.truncated || (reply.code != Code::no_error && reply.code != Code::name_error))
        reply.ttl.reset();
    return reply;
}

void set_id(Packet& packet, std::uint16_t id) { put_at(packet, 0, id, 2); }

Packet renew(const Packet& reply, const Reply& summary, const Query& query, std::uint32_t age) {
    Packet packet = reply;
    set_id(packet, query.id);
    // The same name, but maybe in other letters (a guard against forged replies).
    std::ranges::copy(query.question, packet.begin() + kHeader);
    for (const std::size_t offset : summary.ttl_offsets) {
        const std::uint32_t ttl = Reader(packet, offset).u32();
        put_at(packet, offset, ttl > age ? ttl - age : 0, 4);
    }
    return packet;
}

Packet fit(Packet reply, const Query& query, std::size_t limit) {
    if (reply.size() <= limit) return reply;
    const auto code = static_cast<Code>(std::to_integer<unsigned>(reply[3]) & 0xfU);
    Packet packet = write_reply(query, code, {}, limit);
    packet[2] |= static_cast<std::byte>(kTruncated >> 8U);
    return packet;
}

std::optional<Address> reverse_address(const std::string& name) {
    constexpr std::string_view kV4 = ".in-addr.arpa";
    constexpr std::string_view kV6 = ".ip6.arpa";
    const bool v4 = name.ends_with(kV4);
    if (!v4 && !name.ends_with(kV6)) return std::nullopt;
    // From the last label on: bytes in decimal, or half bytes as digits.
    std::string_view labels(name);
    labels.remove_suffix(v4 ? kV4.size() : kV6.size());
    std::vector<std::uint8_t> bytes;
    const std::size_t wanted = v4 ? 4 : 32;
    while (bytes.size() <= wanted) {
        const auto dot = labels.rfind('.');
        const std::string_view label =
            dot == std::string_view::npos ? labels : labels.substr(dot + 1);
        std::uint8_t value = 0;
        const char* end = label.data() + label.size();
        const auto [rest, error] = std::from_chars(label.data(), end, value, v4 ? 10 : 16);
        if (error != std::errc() || rest != end || (!v4 && label.size() != 1)) return std::nullopt;
        bytes.push_back(value);
        if (dot == std::string_view::npos) break;
        labels = labels.substr(0, dot);
    }
    if (bytes.size() != wanted) return std::nullopt;
    if (v4) return Address::from_bytes(bytes);
    std::array<std::uint8_t, 16> joined{};
    for (std::size_t i = 0; i < 16; ++i)
        joined[i] = static_cast<std::uint8_t>(bytes[2 * i] << 4U | bytes[2 * i + 1]);
    return Address::from_bytes(joined);
}

}  // namespace hako::network::dns
