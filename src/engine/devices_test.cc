// Devices of the host: from what is asked for to the VM.
#include <gmock/gmock.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using ::testing::HasSubstr;

class DevicesTest : public EngineTest {
protected:
    CreateRequest with_device(const std::string& name, const std::string& device) {
        auto asked = request(name);
        asked.host_config.devices = {{device, device, "rwm"}};
        return asked;
    }
    std::string start_failure(const std::string& name) {
        const auto started = engine_->start(name);
        return started ? "" : started.error().message();
    }
};

TEST_F(DevicesTest, TheVmGetsThem) {
    const auto id = create(with_device("box", std::string(kPluggedIn)));
    ASSERT_EQ(start_failure("box"), "");
    const auto spec = world_.find(id)->spec;
    ASSERT_EQ(spec.machine.devices.size(), 1U);
    EXPECT_EQ(spec.machine.devices[0].node, kPluggedIn);
    const Json oci = *parse_json(spec.container.oci_spec);
    EXPECT_EQ(oci["annotations"]["io.hako.host-devices"], "1");
    for (const auto& mount : oci["mounts"]) EXPECT_NE(mount["source"], kPluggedIn);
}

TEST_F(DevicesTest, WhatIsNotPluggedInIsToldAtTheStart) {
    create(with_device("box", "hako/usb=9/9"));
    EXPECT_THAT(start_failure("box"), HasSubstr("no hako/usb=9/9 is plugged in"));
    EXPECT_EQ(engine_->inspect("box")->state.status, Status::created);
}

TEST_F(DevicesTest, AVmThatRunsTakesNone) {
    const auto join = [&](const std::string& name, const std::string& other) {
        auto asked = with_device(name, std::string(kPluggedIn));
        asked.host_config.network_mode = "container:" + other;
        create(asked);
        return start_failure(name);
    };
    run("plain");
    EXPECT_THAT(join("late", "plain"), HasSubstr("without the device /dev/bus/usb/001/004"));
    create(with_device("owner", std::string(kPluggedIn)));
    ASSERT_EQ(start_failure("owner"), "");
    EXPECT_EQ(join("member", "owner"), "");
}

}  // namespace
}  // namespace hako::engine
