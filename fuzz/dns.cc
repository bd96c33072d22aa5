// DNS packets, as containers and resolvers send them.
#include <algorithm>
#include <cstdlib>

#include "base/fd.h"
#include "fuzz/target.h"
#include "network/dns_message.h"

namespace hako::fuzz {

using namespace network::dns;

namespace {

Packet packet_of(std::string_view text) {
    const auto bytes = as_bytes(text);
    return {bytes.begin(), bytes.end()};
}

std::string query_text() {
    return std::string("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01", 12) +
           std::string("\3web\7example\0\0\1\0\1", 17) +
           std::string("\0\0\x29\x04\xd0\0\0\x80\0\0\0", 11);
}

}  // namespace

std::vector<std::string> seeds() {
    const Query query = *read_query(packet_of(query_text())).query;
    const auto text = [](const Packet& packet) { return std::string(as_text(packet)); };
    const Answer a = address_answer(network::Address::v4(10, 0, 0, 1), 60);
    return {query_text(), text(write_reply(query, Code::no_error, {a, a}, 512)),
            text(write_reply(query, Code::no_error, {name_answer("web.example", 60)}, 512)),
            text(write_reply(query, Code::name_error, {}, 512))};
}

void run(std::string_view input) {
    const Packet packet = packet_of(input);
    const Received received = read_query(packet);
    if (received.refusal) write_refusal(packet, *received.refusal);
    if (received.query) {
        network::dns::Packet reply = write_reply(*received.query, Code::no_error, {}, 512);
        // What is written is read as the reply to the question.
        if (!read_reply(reply, *received.query)) std::abort();
        reverse_address(received.query->name);
    }
    // As a reply to its own question.
    Packet asked = packet;
    if (asked.size() < 12) return;
    asked[2] &= std::byte{0x07};
    std::fill(asked.begin() + 6, asked.begin() + 12, std::byte{0});
    const Received question = read_query(asked);
    if (!question.query) return;
    const auto reply = read_reply(packet, *question.query);
    if (!reply) return;
    const Packet again = renew(packet, *reply, *question.query, 5);
    if (!read_reply(again, *question.query)) std::abort();
    if (fit(again, *question.query, 512).size() > 512) std::abort();
}

}  // namespace hako::fuzz
