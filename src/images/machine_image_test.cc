#include "images/machine_image.h"

#include <gmock/gmock.h>

#include "images/store_fixture.h"

namespace hako::images {
namespace {

using MachineImageTest = testing::StoreTest;

TEST_F(MachineImageTest, KnowsItsNames) {
    for (const auto* name : {"macos", "macos:14", "dockurr/macos", "dockurr/macos:2.0",
                             "docker.io/dockurr/macos:latest", "ghcr.io/dockur/macos"})
        EXPECT_EQ(machine_of_image(name), kMacosMachine) << name;
    for (const auto* name : {"busybox", "me/macos", "localhost:5000/macos", "dockurr/windows", ""})
        EXPECT_EQ(machine_of_image(name), "") << name;
}

TEST_F(MachineImageTest, IsMadeByThePull) {
    const auto name = oci::Reference::parse("macos:11").value();
    EXPECT_FALSE(store_->find("macos:11"));
    const auto pulled = store_->pull(name, {}, {}, {});
    ASSERT_TRUE(pulled) << pulled.error().message();
    EXPECT_THAT(pulled->config.env, ::testing::ElementsAre("VERSION=11"));
    EXPECT_THAT(pulled->config.entrypoint, ::testing::ElementsAre("hako-macos"));
    EXPECT_EQ(store_->pull(name, {}, {}, {}).value().id, pulled->id) << "it is there already";
    EXPECT_EQ(store_->find("macos:11").value().id, pulled->id);
    const auto dockurs =
        store_->pull(oci::Reference::parse("dockurr/macos:2.1").value(), {}, {}, {});
    ASSERT_TRUE(dockurs);
    EXPECT_TRUE(dockurs->config.env.empty()) << "that is no version of macOS";
}

}  // namespace
}  // namespace hako::images
