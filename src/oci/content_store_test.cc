#include "oci/content_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/process.h"

namespace hako::oci {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ContentStoreTest : public ::testing::Test {
protected:
    bool nothing_half_written() const { return fs::is_empty(folder_.path() / "ingest"); }

    TempDir folder_ = *TempDir::create();
    ContentStore store_ = *ContentStore::open(folder_.path());
    Digest expected_ = Digest::of(as_bytes("hello"));
};

TEST_F(ContentStoreTest, KeepsWhatHasTheRightDigest) {
    auto blob = *store_.ingest();
    ASSERT_TRUE(blob->write(as_bytes("hel")));
    ASSERT_TRUE(blob->write(as_bytes("lo")));
    EXPECT_FALSE(store_.has(expected_));
    ASSERT_TRUE(blob->commit(expected_));
    EXPECT_EQ(blob->size(), 5U);
    EXPECT_TRUE(store_.has(expected_));
    EXPECT_EQ(*store_.read(expected_, 100), "hello");
    EXPECT_THAT(*store_.list(), ElementsAre(expected_));
    EXPECT_TRUE(nothing_half_written());
    // Once more is fine.
    EXPECT_EQ(*store_.put("hello"), expected_);
    ASSERT_TRUE(store_.remove(expected_));
    ASSERT_TRUE(store_.remove(expected_));
    EXPECT_FALSE(store_.has(expected_));
}

TEST_F(ContentStoreTest, RefusesOtherContent) {
    auto blob = *store_.ingest();
    ASSERT_TRUE(blob->write(as_bytes("hell0")));
    const auto result = blob->commit(expected_);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::corrupt);
    EXPECT_THAT(result.error().message(), HasSubstr(expected_.text()));
    blob.reset();
    EXPECT_THAT(*store_.list(), IsEmpty());
    EXPECT_TRUE(nothing_half_written());
}

TEST_F(ContentStoreTest, WhatIsNotCommittedGoes) {
    {
        auto blob = *store_.ingest();
        ASSERT_TRUE(blob->write(as_bytes("hello")));
        EXPECT_FALSE(nothing_half_written());
    }
    EXPECT_TRUE(nothing_half_written());
}

TEST_F(ContentStoreTest, OpeningRemovesWhatACrashLeft) {
    ASSERT_TRUE(store_.put("hello"));
    ASSERT_TRUE(write_file(folder_.path() / "ingest" / "half", "he"));
    const auto again = ContentStore::open(folder_.path());
    EXPECT_TRUE(nothing_half_written());
    EXPECT_TRUE(again->has(expected_));
}

TEST_F(ContentStoreTest, NoticesDamageOnDisk) {
    ASSERT_TRUE(store_.put("hello"));
    ASSERT_TRUE(write_file(store_.path_of(expected_), "hallo"));
    const auto bytes = store_.read(expected_, 100);
    ASSERT_FALSE(bytes);
    EXPECT_EQ(bytes.error().kind(), ErrorKind::corrupt);
    EXPECT_EQ(store_.read(expected_, 2).error().kind(), ErrorKind::too_large);
    EXPECT_EQ(store_.read(Digest::of({}), 2).error().kind(), ErrorKind::not_found);
}

}  // namespace
}  // namespace hako::oci
