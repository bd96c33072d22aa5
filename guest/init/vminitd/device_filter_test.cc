#include "init/vminitd/device_filter.h"

#include <gtest/gtest.h>

#include <array>

namespace hako::init {
namespace {

// Runs a program as the kernel does, as far as these programs go.
bool allows(const std::vector<bpf_insn>& program, const bpf_cgroup_dev_ctx& asked) {
    std::array<std::uint64_t, 11> reg{};
    for (std::size_t at = 0; at < program.size(); ++at) {
        const bpf_insn& now = program[at];
        const auto value = static_cast<std::uint64_t>(static_cast<std::int64_t>(now.imm));
        auto& target = reg.at(now.dst_reg);
        switch (now.code) {
            case BPF_LDX | BPF_MEM | BPF_W:
                target = now.off == 0   ? asked.access_type
                         : now.off == 4 ? asked.major
                                        : asked.minor;
                break;
            case BPF_ALU64 | BPF_MOV | BPF_X: target = reg.at(now.src_reg); break;
            case BPF_ALU64 | BPF_MOV | BPF_K: target = value; break;
            case BPF_ALU64 | BPF_AND | BPF_K: target &= value; break;
            case BPF_ALU64 | BPF_RSH | BPF_K: target >>= value; break;
            case BPF_JMP | BPF_JNE | BPF_K: at += target != value ? now.off : 0; break;
            case BPF_JMP | BPF_JEQ | BPF_K: at += target == value ? now.off : 0; break;
            case BPF_JMP | BPF_EXIT: return reg[0] == 1;
            default: ADD_FAILURE() << "unknown instruction"; return false;
        }
    }
    ADD_FAILURE() << "the program has no end";
    return false;
}

class DeviceFilterTest : public testing::Test {
protected:
    void rules(const std::string& json) {
        const auto read = device_rules({{"devices", parse_json(json).value()}});
        ASSERT_TRUE(read) << read.error().message();
        program_ = device_program(read->value());
    }
    // "c 1:3 rw"
    bool may(char type, std::uint32_t major, std::uint32_t minor, std::uint32_t access) const {
        const std::uint32_t kind = type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
        return allows(program_, {(access << 16U) | kind, major, minor});
    }
    static constexpr std::uint32_t kMake = BPF_DEVCG_ACC_MKNOD, kRead = BPF_DEVCG_ACC_READ,
                                   kWrite = BPF_DEVCG_ACC_WRITE;

    std::vector<bpf_insn> program_;
};

TEST_F(DeviceFilterTest, TheLastRuleForAnAccessDecides) {
    rules(R"([{"allow":false,"access":"rwm"},
              {"allow":true,"type":"c","access":"m"},
              {"allow":true,"type":"c","major":1,"minor":3,"access":"rw"},
              {"allow":true,"type":"c","major":136,"access":"rwm"},
              {"allow":false,"type":"c","major":136,"minor":7,"access":"w"}])");
    EXPECT_TRUE(may('c', 1, 3, kRead | kWrite));
    EXPECT_TRUE(may('c', 1, 3, kRead | kMake)) << "by two rules together";
    EXPECT_FALSE(may('b', 1, 3, kRead));
    EXPECT_FALSE(may('c', 1, 4, kRead));
    EXPECT_TRUE(may('c', 9, 9, kMake));
    EXPECT_FALSE(may('b', 9, 9, kMake));
    EXPECT_TRUE(may('c', 136, 7, kRead));
    EXPECT_FALSE(may('c', 136, 7, kRead | kWrite));
    EXPECT_TRUE(may('c', 136, 8, kRead | kWrite));
}

TEST_F(DeviceFilterTest, WhatNoRuleIsForIsAllowed) {
    rules("[]");
    EXPECT_TRUE(may('b', 8, 0, kRead | kWrite | kMake));
    rules(R"([{"allow":false,"type":"b"}])");
    EXPECT_FALSE(may('b', 8, 0, kMake));
    EXPECT_TRUE(may('c', 8, 0, kWrite));
    rules(R"([{"allow":false},{"allow":true,"type":"a","access":"rwm"}])");
    EXPECT_TRUE(may('b', 8, 0, kRead | kWrite | kMake));
}

TEST_F(DeviceFilterTest, ANodeOfTheVmStandsForItsNumbers) {
    rules(R"([{"allow":false},{"allow":true,"path":"/dev/null","access":"r"}])");
    EXPECT_TRUE(may('c', 1, 3, kRead));
    EXPECT_FALSE(may('c', 1, 3, kWrite));
    EXPECT_FALSE(may('c', 1, 5, kRead));
}

TEST_F(DeviceFilterTest, BadRulesAreRefused) {
    EXPECT_FALSE(device_rules(Json::object())->has_value()) << "no list is no filter";
    for (const char* rule : {R"({"access":"x"})", R"({"type":"z"})", R"({"path":"/etc"})",
                             R"({"path":"/dev/none"})", R"({"major":"1"})"})
        EXPECT_FALSE(device_rules({{"devices", Json::array({parse_json(rule).value()})}})) << rule;
}

}  // namespace
}  // namespace hako::init
