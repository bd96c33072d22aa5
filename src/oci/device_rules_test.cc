#include "oci/device_rules.h"

#include <gtest/gtest.h>

namespace hako::oci {
namespace {

TEST(DeviceRules, AreReadAsDockerWritesThem) {
    EXPECT_EQ(parse_device_rule("c 1:3 mr").value(),
              parse_json(R"({"allow":true,"type":"c","major":1,"minor":3,"access":"mr"})").value());
    EXPECT_EQ(parse_device_rule("a *:* rwm").value(),
              parse_json(R"({"allow":true,"type":"a","access":"rwm"})").value());
    for (const char* wrong :
         {"", "c", "c ", "c 1", "c 1:", "c 1:3", "c 1:3 ", "c 1:3 x", "c 1:3 rwmr", "d 1:3 r",
          "c -1:3 r", "c 1:3r", "cc 1:3 r", "c : r", "c 1:99999999999 r"})
        EXPECT_EQ(parse_device_rule(wrong).error().kind(), ErrorKind::invalid) << wrong;
}

TEST(DeviceRules, NodesAndRulesComeBehindDockers) {
    const Json list =
        make_device_rules(false, {{"/dev/x", {"/dev/fuse", "r"}}}, {"b 8:* rw"}).value();
    EXPECT_EQ(list.front(), parse_json(R"({"allow":false,"type":"a","access":"rwm"})").value());
    EXPECT_EQ(list.at(list.size() - 2),
              parse_json(R"({"allow":true,"path":"/dev/fuse","access":"r"})").value());
    EXPECT_EQ(list.back(),
              parse_json(R"({"allow":true,"type":"b","major":8,"access":"rw"})").value());
    EXPECT_EQ(make_device_rules(true, {}, {"x"}).value(),
              parse_json(R"([{"allow":true,"type":"a","access":"rwm"}])").value());
}

}  // namespace
}  // namespace hako::oci
