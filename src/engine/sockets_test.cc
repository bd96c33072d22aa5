#include "engine/sockets.h"

#include <gmock/gmock.h>

#include "base/fd.h"
#include "engine/shares.h"

namespace hako::engine {
namespace {

using testing::HasSubstr;

HostConfig publishing(std::string text) {
    HostConfig config;
    config.annotations[std::string(kPublishSocketAnnotation)] = std::move(text);
    return config;
}

TEST(Sockets, ThePublishedOnesAreReadFromTheAnnotation) {
    EXPECT_TRUE(published_sockets({})->empty());
    const auto two = published_sockets(publishing("/tmp/a:/run/b,/tmp/c:/d"));
    ASSERT_TRUE(two) << two.error().message();
    ASSERT_EQ(two->size(), 2U);
    EXPECT_EQ(two->front().host, "/tmp/a");
    EXPECT_EQ(two->back().guest, "/d");
    for (const char* wrong : {"", "/tmp/a", "tmp/a:/b", "/tmp/a:b", "/tmp/a:/b:ro", "/tmp/a:/b,",
                              "/tmp/:/b", "/tmp/a:/"}) {
        const auto refused = published_sockets(publishing(wrong));
        ASSERT_FALSE(refused) << wrong;
        EXPECT_THAT(refused.error().message(), HasSubstr("invalid socket to publish")) << wrong;
    }
    EXPECT_THAT(published_sockets(publishing("/tmp/a:/b,/tmp/a:/c")).error().message(),
                HasSubstr("published twice"));
    EXPECT_THAT(published_sockets(publishing("/no/such/a:/b")).error().message(),
                HasSubstr("/no/such is no folder"));
    EXPECT_THAT(
        published_sockets(publishing("/tmp/" + std::string(120, 'a') + ":/b")).error().message(),
        HasSubstr("longer than 107"));
}

TEST(Sockets, MountedOnesAreNoShares) {
    Container container;
    container.mounts = {{.type = MountType::bind,
                         .source = "/run/a",
                         .target = "/b",
                         .driver = std::string(kSocketMount)},
                        {.type = MountType::bind, .source = "/srv", .target = "/srv"}};
    runtime::ContainerSpec spec;
    ASSERT_TRUE(add_sockets(container, spec));
    ASSERT_EQ(spec.sockets.size(), 1U);
    EXPECT_EQ(spec.sockets.front().host, "/run/a");
    EXPECT_EQ(spec.sockets.front().guest, "/b");
    ASSERT_EQ(shares(container).size(), 1U);
    EXPECT_EQ(shares(container).front().source, "/srv");
    ASSERT_EQ(guest_mounts(container).size(), 1U);
    container.mounts.assign(33, container.mounts.front());
    EXPECT_FALSE(add_sockets(container, spec));
}

}  // namespace
}  // namespace hako::engine
