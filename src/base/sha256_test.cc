#include "base/sha256.h"

#include <gtest/gtest.h>

#include "base/fd.h"

namespace hako {
namespace {

// Examples of FIPS 180-4.
TEST(Sha256, HashesKnownVectors) {
    EXPECT_EQ(sha256_hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(sha256_hex(as_bytes("abc")),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, DoesNotDependOnHowTheInputIsCut) {
    Sha256 hash;
    hash.update(as_bytes("a"));
    hash.update({});
    hash.update(as_bytes("bc"));
    EXPECT_EQ(hash.hex_digest(), sha256_hex(as_bytes("abc")));
}

TEST(Sha256, StartsAnewAfterADigest) {
    Sha256 hash;
    hash.update(as_bytes("something else"));
    (void)hash.hex_digest();
    hash.update(as_bytes("abc"));
    EXPECT_EQ(hash.hex_digest(), sha256_hex(as_bytes("abc")));
}

}  // namespace
}  // namespace hako
