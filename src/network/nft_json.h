// The pieces of nft's JSON (libnftables-json(5)) that our rules are made of.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace hako::network::nft {

inline Json meta(std::string_view key) { return {{"meta", {{"key", key}}}}; }
inline Json ct(std::string_view key) { return {{"ct", {{"key", key}}}}; }
inline Json field(std::string_view protocol, std::string_view name) {
    return {{"payload", {{"protocol", protocol}, {"field", name}}}};
}
// `bits` of the transport header from `offset` bits on, for fields that nft has no name for.
inline Json transport(int offset, int bits) {
    return {{"payload", {{"base", "th"}, {"offset", offset}, {"len", bits}}}};
}
inline Json set_of(std::vector<std::string> values) { return {{"set", std::move(values)}}; }
inline Json prefix(const std::string& address, int length) {
    return {{"prefix", {{"addr", address}, {"len", length}}}};
}

inline Json match(Json left, std::string_view op, Json right) {
    return {{"match", {{"op", op}, {"left", std::move(left)}, {"right", std::move(right)}}}};
}
inline Json is(Json left, Json right) { return match(std::move(left), "==", std::move(right)); }
inline Json is_not(Json left, Json right) { return match(std::move(left), "!=", std::move(right)); }
inline Json has(Json left, Json right) { return match(std::move(left), "in", std::move(right)); }

inline Json accept() { return {{"accept", nullptr}}; }
inline Json drop() { return {{"drop", nullptr}}; }
inline Json masquerade() { return {{"masquerade", nullptr}}; }
inline Json jump(std::string_view chain) { return {{"jump", {{"target", chain}}}}; }

// A table, written down command by command.
class Table {
public:
    Table(Json& commands, std::string family, std::string name)
        : commands_(commands), family_(std::move(family)), name_(std::move(name)) {}

    // What was there of the table goes first: "delete" alone would fail where there is none.
    void make_anew() {
        for (const char* verb : {"add", "delete", "add"})
            commands_.push_back({{verb, {{"table", {{"family", family_}, {"name", name_}}}}}});
    }

    void chain(std::string_view name) { add("chain", object({{"name", name}})); }
    void base_chain(std::string_view name, std::string_view type, std::string_view hook,
                    int priority) {
        add("chain", object({{"name", name},
                             {"type", type},
                             {"hook", hook},
                             {"prio", priority},
                             {"policy", "accept"}}));
    }
    void rule(std::string_view chain, std::vector<Json> statements, std::string_view comment = {}) {
        Json rule = object({{"chain", chain}, {"expr", std::move(statements)}});
        if (!comment.empty()) rule["comment"] = comment;
        add("rule", std::move(rule));
    }

    // Of nothing that a rule still names.
    void remove_chain(std::string_view name) {
        for (const char* verb : {"flush", "delete"}) say(verb, "chain", object({{"name", name}}));
    }
    // From the names of interfaces to what becomes of their packets.
    void verdicts(std::string_view name) {
        add("map", object({{"name", name}, {"type", "ifname"}, {"map", "verdict"}}));
    }
    void jump_for(std::string_view verdicts, std::string_view interface, std::string_view chain) {
        add("element", verdict(verdicts, interface, chain));
    }
    void forget(std::string_view verdicts, std::string_view interface, std::string_view chain) {
        say("delete", "element", verdict(verdicts, interface, chain));
    }

private:
    Json object(Json fields) const {
        fields["family"] = family_;
        fields["table"] = name_;
        return fields;
    }
    Json verdict(std::string_view verdicts, std::string_view interface,
                 std::string_view chain) const {
        return object(
            {{"name", verdicts}, {"elem", Json::array({Json::array({interface, jump(chain)})})}});
    }
    void add(std::string_view kind, Json object) { say("add", kind, std::move(object)); }
    void say(std::string_view verb, std::string_view kind, Json object) {
        commands_.push_back({{verb, {{kind, std::move(object)}}}});
    }

    Json& commands_;
    std::string family_;
    std::string name_;
};

}  // namespace hako::network::nft
