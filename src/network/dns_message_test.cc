#include "network/dns_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "network/dns_cache.h"
#include "network/dns_test_packets.h"

namespace hako::network::dns {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

Query query_for(std::string_view name, std::uint16_t type = type_a) {
    return read_query(question(name, type)).query.value();
}
Address ip(std::string_view text) { return Address::parse(text).value(); }

TEST(DnsQuery, IsRead) {
    const auto query = query_for("Web.Example", type_aaaa);
    EXPECT_EQ(query.id, 0x1234);
    EXPECT_EQ(query.name, "web.example");
    EXPECT_EQ(query.type, type_aaaa);
    EXPECT_TRUE(query.recursion_desired);
    EXPECT_FALSE(query.extended);
    EXPECT_EQ(query.limit, 512U);
    EXPECT_EQ(query_for("").name, "");
}

TEST(DnsQuery, BytesThatAreNoLettersAreNotMistakenForOthers) {
    Packet packet = question("a?b", type_a);
    packet[14] = std::byte{'.'};
    EXPECT_EQ(read_query(packet).query->name, "a\\046b");
}

TEST(DnsQuery, SaysHowMuchADatagramMayHold) {
    const auto with_opt = [](unsigned size) {
        Packet packet = question("web", type_a);
        packet[11] = std::byte{1};
        for (const unsigned byte :
             {0U, 0U, 41U, size >> 8U, size & 0xffU, 0U, 0U, 0x80U, 0U, 0U, 0U})
            packet.push_back(static_cast<std::byte>(byte));
        return read_query(packet).query.value();
    };
    EXPECT_TRUE(with_opt(1000).extended);
    EXPECT_TRUE(with_opt(1000).dnssec);
    EXPECT_EQ(with_opt(1000).limit, 1000U);
    EXPECT_EQ(with_opt(100).limit, 512U);
    EXPECT_EQ(with_opt(65535).limit, 1232U);
}

TEST(DnsQuery, CutAnywhereItIsRefusedOrPassedOver) {
    const Packet whole = question("a.rather.long.name.example", type_a);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto received = read_query(std::span(whole).first(size));
        EXPECT_FALSE(received.query) << size;
        EXPECT_EQ(received.refusal.has_value(), size >= 12) << size;
    }
}

TEST(DnsQuery, RepliesAreNeverAnswered) {
    Packet packet = question("web", type_a);
    packet[2] |= std::byte{0x80};
    EXPECT_FALSE(read_query(packet).query);
    EXPECT_FALSE(read_query(packet).refusal);
}

TEST(DnsQuery, PointersAndLongNamesAreRefused) {
    Packet loop = question("web", type_a);
    loop[12] = std::byte{0xc0};  // the name is a pointer to itself
    loop[13] = std::byte{12};
    EXPECT_EQ(read_query(loop).refusal, Code::format_error);
    std::string name = "a";
    while (name.size() < 253) name += ".a";
    EXPECT_TRUE(read_query(question(name, type_a)).query);
    EXPECT_EQ(read_query(question(name + ".a", type_a)).refusal, Code::format_error);
    EXPECT_EQ(read_query(question(std::string(64, 'a'), type_a)).refusal, Code::format_error);
    Packet many(65535, std::byte{0});
    many[5] = std::byte{1};
    for (const std::size_t count : {6U, 7U, 8U, 9U, 10U, 11U}) many[count] = std::byte{0xff};
    EXPECT_EQ(read_query(many).refusal, Code::format_error);
}

TEST(DnsReply, IsWhatWasWritten) {
    const Query query = query_for("web");
    const Packet packet =
        write_reply(query, Code::no_error,
                    {address_answer(ip("10.0.0.1"), 10), address_answer(ip("10.0.0.2"), 7)}, 512);
    EXPECT_EQ(addresses_in(packet), (std::vector{ip("10.0.0.1"), ip("10.0.0.2")}));
    const auto reply = read_reply(packet, query).value();
    EXPECT_EQ(reply.code, Code::no_error);
    EXPECT_FALSE(reply.truncated);
    EXPECT_EQ(reply.ttl, 7U);
    EXPECT_FALSE(read_reply(packet, query_for("other")));
    EXPECT_FALSE(read_reply(packet, query_for("web", type_aaaa)));
    EXPECT_FALSE(read_reply(question("web", type_a), query));
}

TEST(DnsReply, WhatDoesNotFitIsLeftOutAndSaidSo) {
    const Query query = query_for("web");
    const std::vector<Answer> many(200, address_answer(ip("10.0.0.1"), 10));
    const Packet small = write_reply(query, Code::no_error, many, 512);
    EXPECT_LE(small.size(), 512U);
    EXPECT_TRUE(read_reply(small, query)->truncated);
    EXPECT_FALSE(read_reply(small, query)->ttl);
    const Packet large = write_reply(query, Code::no_error, many, 65535);
    EXPECT_FALSE(read_reply(large, query)->truncated);
    EXPECT_EQ(addresses_in(large).size(), 200U);
    EXPECT_TRUE(read_reply(fit(large, query, 512), query)->truncated);
    EXPECT_EQ(fit(large, query, 65535), large);
}

TEST(DnsReply, ReversesNames) {
    EXPECT_EQ(reverse_address("2.0.17.172.in-addr.arpa"), ip("172.17.0.2"));
    std::string name;
    for (int i = 0; i < 31; ++i) name += i == 0 ? "5." : "0.";
    EXPECT_EQ(reverse_address(name + "f.ip6.arpa"), ip("f000::5"));
    for (const char* text : {"in-addr.arpa", "1.2.3.in-addr.arpa", "1.2.3.4.5.in-addr.arpa",
                             "256.0.0.1.in-addr.arpa", "web", "1.ip6.arpa", ".in-addr.arpa"})
        EXPECT_FALSE(reverse_address(text)) << text;
    EXPECT_THAT(std::string(as_text(name_answer("web.app", 1).data)), HasSubstr("\3web\3app"));
}

TEST(DnsCache, KeepsForAsLongAsTheRecordsSay) {
    Cache cache(2);
    const auto now = Cache::Clock::now();
    const Query query = query_for("web");
    const Packet packet =
        write_reply(query, Code::no_error, {address_answer(ip("10.0.0.1"), 100)}, 512);
    cache.put({}, query, packet, *read_reply(packet, query), now);

    Query again = query_for("WEB");
    again.id = 7;
    const auto kept = cache.get({}, again, now + 40s).value();
    EXPECT_EQ(read_reply(kept, again)->ttl, 60U);
    EXPECT_EQ(addresses_in(kept), std::vector{ip("10.0.0.1")});
    EXPECT_THAT(std::string(as_text(kept)), HasSubstr("WEB"));
    EXPECT_FALSE(cache.get({ip("9.9.9.9")}, again, now));
    EXPECT_FALSE(cache.get({}, query_for("web", type_aaaa), now));
    EXPECT_FALSE(cache.get({}, again, now + 100s));
    EXPECT_EQ(cache.size(), 0U);

    for (const char* name : {"a", "b", "c"}) {
        const Query one = query_for(name);
        const Packet reply = write_reply(one, Code::no_error, {address_answer(ip("::1"), 9)}, 512);
        cache.put({}, one, reply, *read_reply(reply, one), now);
    }
    EXPECT_EQ(cache.size(), 2U);
    EXPECT_FALSE(cache.get({}, query_for("a"), now));
    EXPECT_TRUE(cache.get({}, query_for("c"), now));
    const Packet failure = write_reply(query, Code::server_failure, {}, 512);
    cache.put({}, query, failure, *read_reply(failure, query), now);
    EXPECT_FALSE(cache.get({}, query, now));
}

}  // namespace
}  // namespace hako::network::dns
