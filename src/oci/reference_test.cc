#include "oci/reference.h"

#include <gtest/gtest.h>

namespace hako::oci {
namespace {

const std::string kDigest =
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct Case {
    std::string text;
    std::string full;
    std::string familiar;
};

TEST(Reference, FillsInWhatIsLeftOut) {
    for (const auto& [text, full, familiar] : {
             Case{"busybox", "docker.io/library/busybox:latest", "busybox:latest"},
             Case{"busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"},
             Case{"library/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
             Case{"docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
             Case{"index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
             Case{"team/app", "docker.io/team/app:latest", "team/app:latest"},
             Case{"docker.io/docker.io/x", "docker.io/docker.io/x:latest",
                  "docker.io/docker.io/x:latest"},
             Case{"docker.io/a.b/x", "docker.io/a.b/x:latest", "docker.io/a.b/x:latest"},
             Case{"library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"},
             Case{"localhost/app", "localhost/app:latest", "localhost/app:latest"},
             Case{"localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"},
             Case{"localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"},
             Case{"host.example/a/b/c:v1", "host.example/a/b/c:v1", "host.example/a/b/c:v1"},
             Case{"HOST/app", "HOST/app:latest", "HOST/app:latest"},
             Case{"[::1]:5000/app:1", "[::1]:5000/app:1", "[::1]:5000/app:1"},
             Case{"[fe80::1]/app", "[fe80::1]/app:latest", "[fe80::1]/app:latest"},
             Case{"t/a__b.c-d--e_f", "docker.io/t/a__b.c-d--e_f:latest", "t/a__b.c-d--e_f:latest"},
             Case{"app:_Tag.1-x", "docker.io/library/app:_Tag.1-x", "app:_Tag.1-x"},
             Case{"app@" + kDigest, "docker.io/library/app@" + kDigest, "app@" + kDigest},
             Case{"app:1@" + kDigest, "docker.io/library/app:1@" + kDigest, "app:1@" + kDigest},
         }) {
        const auto reference = Reference::parse(text);
        ASSERT_TRUE(reference) << text << ": " << reference.error().message();
        EXPECT_EQ(reference->text(), full);
        EXPECT_EQ(reference->familiar(), familiar);
        EXPECT_EQ(*Reference::parse(reference->text()), *reference) << text;
        EXPECT_EQ(*Reference::parse(reference->familiar()), *reference) << text;
    }
}

TEST(Reference, RefusesWhatDockerRefuses) {
    const std::string hex64(64, 'a');
    for (const auto& [text, message] : std::initializer_list<std::pair<std::string, std::string>>{
             {"", "invalid reference format"},
             {"Busybox", "invalid reference format: repository name (Busybox) must be lowercase"},
             {"team/App:1",
              "invalid reference format: repository name (team/App) must be lowercase"},
             {"host.example/Team/app",
              "invalid reference format: repository name (Team/app) must be lowercase"},
             {hex64, "invalid repository name (" + hex64 +
                         "), cannot specify 64-byte hexadecimal strings"},
             {"app:", "invalid reference format"},
             {"app@", ""},
             {":1", "invalid reference format"},
             {"/app", "invalid reference format"},
             {"app/", "invalid reference format"},
             {"a//b", "invalid reference format"},
             {"-app", "invalid reference format"},
             {"app-", "invalid reference format"},
             {"a..b", "invalid reference format"},
             {"a___b", "invalid reference format"},
             {"a._b", "invalid reference format"},
             {"../etc/passwd", "invalid reference format"},
             {"a b", "invalid reference format"},
             {std::string("a\0b", 3), "invalid reference format"},
             {"app:1:2", "invalid reference format"},
             {"app:-1", "invalid reference format"},
             {"app:" + std::string(129, 't'), "invalid reference format"},
             {"host:port/app", "invalid reference format"},
             {"host:/app", "invalid reference format"},
             {"-host.example/app", "invalid reference format"},
             {"[::1/app", "invalid reference format"},
             {"[]:5000/app", "invalid reference format"},
             {"[::g]:5000/app", "invalid reference format"},
             {"http://host.example/app", "invalid reference format"},
             {"app@sha256:abc", ""},
             {"app@sha512:" + hex64, ""},
             {"app@" + kDigest + "0", ""},
             {std::string(256, 'a'),
              "invalid reference format: repository name must not be more "
              "than 255 characters"},
         }) {
        const auto reference = Reference::parse(text);
        ASSERT_FALSE(reference) << text;
        EXPECT_EQ(reference.error().kind(), ErrorKind::invalid);
        if (message.empty()) continue;
        EXPECT_EQ(reference.error().message(), message) << text;
    }
}

TEST(Reference, TheLongestNamesAreFine) {
    EXPECT_TRUE(Reference::parse("host.example/" + std::string(255, 'a')));
    EXPECT_TRUE(Reference::parse("app:" + std::string(128, 't')));
}

TEST(Digest, ReadsSha256Only) {
    EXPECT_EQ(Digest::parse(kDigest)->text(), kDigest);
    EXPECT_EQ(Digest::parse(kDigest)->short_hex(), "0123456789ab");
    EXPECT_EQ(Digest::of({}).text(),
              "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (const auto& bad : {std::string(), std::string("sha256:"), kDigest + "a",
                            kDigest.substr(0, 70), "sha1:" + kDigest.substr(7), kDigest.substr(7),
                            "sha256:" + std::string(64, 'A'), "sha256:" + std::string(64, '/')})
        EXPECT_FALSE(Digest::parse(bad)) << bad;
}

}  // namespace
}  // namespace hako::oci
