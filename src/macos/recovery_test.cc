#include "macos/recovery.h"

#include <gmock/gmock.h>

#include <random>

#include "base/fd.h"
#include "base/process.h"
#include "base/program.h"
#include "macos/recovery_fixture.h"
#include "macos/udif.h"
#include "store/file.h"

namespace hako::macos {
namespace {

using testing::FakeRecoveryServer;
using ::testing::HasSubstr;
using testing::make_chunklist;
using testing::make_dmg;
using testing::SigningKey;

constexpr std::size_t kPiece = 20'000;

std::string random_disk(std::size_t bytes) {
    std::mt19937 generator(1);
    std::string disk(bytes, '\0');
    for (char& c : disk) c = static_cast<char>(generator() % 64);
    return disk;
}

const SigningKey& our_key() {
    static const SigningKey key;
    return key;
}

class Recovery : public ::testing::Test {
protected:
    RecoveryOptions options() const {
        return {.server = server_.url(),
                .keys = {our_key().modulus()},
                .allow_unverified = allow_unverified_,
                .on_wait = on_wait_,
                .download = {.connections = connections_,
                             .attempts = 3,
                             .pause = std::chrono::milliseconds(1)},
                .transport = {.connect_timeout = std::chrono::seconds(5),
                              .stall_timeout = std::chrono::seconds(1)}};
    }
    RecoveryCache cache() { return {folder_.path() / "cache", options()}; }
    Result<RecoveryImage> fetch() {
        return cache().fetch(version_, [&](std::uint64_t done, std::uint64_t) { done_ = done; },
                             {});
    }
    std::string fetched() {
        const auto image = fetch();
        if (!image) return image.error().message();
        return read_file(image->dmg).value() == image_ ? "good" : "another image";
    }
    // What the cache holds under the name of a whole image.
    bool has_image() const {
        return std::filesystem::exists(folder_.path() / "cache/14/BaseSystem.dmg");
    }
    std::size_t image_requests() const {
        const auto requests = server_.requests();
        return static_cast<std::size_t>(
            std::ranges::count(requests, "/dmg", &oci::testing::FakeRequest::target));
    }

    TempDir folder_ = TempDir::create().value();
    const Version version_ = find_version("14").value();
    const std::string disk_ = random_disk(512 * 1024);
    const std::string image_ = make_dmg(disk_);
    std::string chunklist_ = make_chunklist(image_, kPiece, our_key());
    FakeRecoveryServer server_{image_, chunklist_};
    bool allow_unverified_ = false;
    std::function<void()> on_wait_;
    std::size_t connections_ = 3;
    std::atomic<std::uint64_t> done_ = 0;
};

TEST_F(Recovery, IsFetchedOnceAndAskedForByTheRules) {
    EXPECT_EQ(fetched(), "good");
    EXPECT_EQ(done_, image_.size());
    EXPECT_TRUE(fetch()->was_here);
    EXPECT_EQ(server_.sessions(), 1);
    for (const auto& request : server_.requests()) {
        EXPECT_EQ(request.header("user-agent"), "InternetRecovery/1.0");
        if (request.method != "POST") continue;
        EXPECT_THAT(request.body,
                    ::testing::MatchesRegex(
                        "cid=[0-9A-F]{16}\nsn=0{17}\nbid=Mac-827FAC58A8FDFA22\nk=[0-9A-F]{64}\n"
                        "fg=[0-9A-F]{64}\nos=default"));
        EXPECT_EQ(request.header("content-type"), "text/plain");
    }
    const auto left = std::filesystem::directory_iterator(folder_.path() / "cache/14");
    EXPECT_EQ(std::distance(begin(left), end(left)), 3);  // image, chunklist, lock
}

TEST_F(Recovery, WaitsForAnotherThatFetchesIt) {
    const auto folder = folder_.path() / "cache/14";
    ASSERT_TRUE(std::filesystem::create_directories(folder));
    auto other = std::optional(store::FileLock::acquire(folder / "lock").value());
    int waits = 0;
    on_wait_ = [&] {
        ++waits;
        EXPECT_EQ(server_.sessions(), 0);
        other.reset();
    };
    EXPECT_EQ(fetched(), "good");
    EXPECT_EQ(waits, 1);
    // Who is not to start any more does not wait.
    other = store::FileLock::acquire(folder / "lock").value();
    std::stop_source stop;
    on_wait_ = [&] { stop.request_stop(); };
    EXPECT_EQ(cache().fetch(version_, {}, stop.get_token()).error().kind(), ErrorKind::cancelled);
}

TEST_F(Recovery, QemuReadsTheDiskInIt) {
    if (!find_program("qemu-img")) GTEST_SKIP() << "qemu-img is missing: package qemu-utils";
    const auto image = fetch().value();
    const auto raw = folder_.path() / "raw";
    const auto done = run({.argv = {"qemu-img", "convert", "-f", "dmg", "-O", "raw",
                                    image.dmg.native(), raw.native()}},
                          std::chrono::seconds(60));
    ASSERT_TRUE(done && done->status.success()) << done->err;
    EXPECT_TRUE(read_file(raw).value() == disk_);
    EXPECT_EQ(check_udif(image.dmg)->disk_bytes, disk_.size());
}

TEST_F(Recovery, ExpiredTokensAreRenewed) {
    connections_ = 1;
    server_.change = [cut = 0](const auto& request, auto& answer) mutable {
        if (request.target == "/dmg" && cut++ < 2) answer.cut_after = 3 * kPiece;
    };
    server_.uses = 1;
    EXPECT_EQ(fetched(), "good");
    EXPECT_EQ(server_.sessions(), 3);
}

TEST_F(Recovery, GoesOnWhereItStopped) {
    connections_ = 1;
    bool broken = true;
    server_.change = [&](const auto& request, auto& answer) {
        if (request.target != "/dmg" || !broken) return;
        if (request.header("range").starts_with("bytes=0-")) answer.cut_after = 5 * kPiece + 7;
        else answer.drop = true;
    };
    EXPECT_THAT(fetched(), HasSubstr("3 attempts failed"));
    EXPECT_FALSE(has_image());
    broken = false;
    EXPECT_EQ(fetched(), "good");
    EXPECT_TRUE(server_.requests().back().header("range").starts_with(
        fmt::format("bytes={}-", 5 * kPiece)));
}

TEST_F(Recovery, AServerThatStallsIsAskedAgain) {
    connections_ = 1;
    server_.change = [hung = 0](const auto& request, auto& answer) mutable {
        if (request.target != "/dmg" || hung++ > 0) return;
        answer.said_length = answer.body.size();
        answer.body.resize(2 * kPiece);
        answer.hang = true;
    };
    EXPECT_EQ(fetched(), "good");
    EXPECT_EQ(image_requests(), 2U);
}

TEST_F(Recovery, WithoutRangesItComesInOnePiece) {
    server_.ranges = false;
    EXPECT_EQ(fetched(), "good");
}

TEST_F(Recovery, AFlippedBitIsFetchedAgainAndNeverKept) {
    connections_ = 1;
    bool always = false;
    server_.change = [&, flipped = false](const auto& request, auto& answer) mutable {
        if (request.target != "/dmg" || (flipped && !always)) return;
        flipped = true;
        answer.body[answer.body.size() / 2] ^= 4;
    };
    EXPECT_EQ(fetched(), "good");
    std::filesystem::remove_all(folder_.path() / "cache");
    always = true;
    EXPECT_THAT(fetched(), HasSubstr("not those that the chunklist tells of"));
    EXPECT_FALSE(has_image());
}

TEST_F(Recovery, NothingIsKeptWithoutAGoodSignature) {
    const SigningKey stranger;
    const auto bare = testing::unsigned_chunklist(image_, kPiece, 2);
    auto flipped = chunklist_;
    flipped[0x24 + 10] ^= 1;
    for (const auto& chunklist :
         {make_chunklist(image_, kPiece, stranger), bare + testing::sum_bytes(bare), flipped}) {
        server_.change = [&](const auto& request, auto& answer) {
            if (request.target == "/chunklist") answer.body = chunklist;
        };
        const auto image = fetch();
        ASSERT_FALSE(image);
        EXPECT_EQ(image.error().kind(), ErrorKind::forbidden);
        EXPECT_THAT(image.error().message(), HasSubstr("--allow-unverified"));
    }
    EXPECT_EQ(image_requests(), 0U);
    EXPECT_FALSE(has_image());
}

TEST_F(Recovery, UnverifiedOnesAreTakenOnRequestOnly) {
    const auto bare = testing::unsigned_chunklist(image_, kPiece, 2);
    server_.change = [&](const auto& request, auto& answer) {
        if (request.target == "/chunklist") answer.body = bare + testing::sum_bytes(bare);
    };
    allow_unverified_ = true;
    const auto image = fetch();
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_FALSE(image->is_signed);
    // What is in the cache is judged anew.
    allow_unverified_ = false;
    EXPECT_EQ(fetch().error().kind(), ErrorKind::forbidden);
}

TEST_F(Recovery, AppleKeysDoNotTrustOurs) {
    EXPECT_EQ(apple_keys().size(), 2U);
    EXPECT_FALSE(read_chunklist(as_bytes(chunklist_), apple_keys())->is_signed);
    EXPECT_TRUE(read_chunklist(as_bytes(chunklist_), {our_key().modulus()})->is_signed);
}

TEST_F(Recovery, RefusalsAndGapsAreSaid) {
    const auto why = [&](FakeRecoveryServer::Change change) {
        server_.change = std::move(change);
        return fetched();
    };
    EXPECT_THAT(why([](const auto& request, auto& answer) {
                    if (request.target == "/") answer = {.status = 403};
                }),
                HasSubstr("hako macos import"));
    EXPECT_THAT(why([](const auto& request, auto& answer) {
                    if (request.target == "/") answer.headers.clear();
                }),
                HasSubstr("no session"));
    for (const std::string field : {"AP", "AU", "AH", "AT", "CU", "CH", "CT"})
        EXPECT_THAT(why([&](const auto& request, auto& answer) {
                        const auto at = answer.body.find(field + ": ");
                        if (request.method == "POST") answer.body.erase(at, 2);
                    }),
                    HasSubstr("has no " + field));
    EXPECT_THAT(why([](const auto& request, auto& answer) {
                    if (request.target == "/chunklist") answer.body.resize(100);
                }),
                HasSubstr("chunklist is broken"));
    EXPECT_FALSE(has_image());
}

TEST_F(Recovery, TravelsToAnotherMachine) {
    const auto away = folder_.path() / "away";
    EXPECT_EQ(cache().export_to(version_, away).error().kind(), ErrorKind::not_found);
    ASSERT_TRUE(fetch());
    ASSERT_TRUE(cache().export_to(version_, away));
    RecoveryCache other(folder_.path() / "other", options());
    const auto image = other.import(version_, away);
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_TRUE(read_file(image->dmg).value() == image_);

    auto damaged = image_;
    damaged[40'000] ^= 1;
    ASSERT_TRUE(write_file(away / "BaseSystem.dmg", damaged));
    RecoveryCache third(folder_.path() / "third", options());
    EXPECT_THAT(third.import(version_, away).error().message(), HasSubstr("Fetch it anew"));
    EXPECT_FALSE(std::filesystem::exists(folder_.path() / "third/14/BaseSystem.dmg"));
}

TEST_F(Recovery, ChunklistsOfAllKindsOfDamageAreRefused) {
    for (std::size_t length = 0; length < chunklist_.size(); length += 13) {
        const auto cut = chunklist_.substr(0, length);
        EXPECT_FALSE(read_chunklist(as_bytes(cut), apple_keys())) << length;
    }
    for (std::size_t at = 0; at < 0x24; ++at) {
        auto changed = chunklist_;
        changed[at] = static_cast<char>(changed[at] ^ 0x55);
        const auto read = read_chunklist(as_bytes(changed), {our_key().modulus()});
        EXPECT_FALSE(read && read->is_signed) << at;
    }
}

TEST_F(Recovery, OwnImagesAreLookedAt) {
    const auto file = folder_.path() / "own.dmg";
    const auto why = [&](std::string_view text) {
        EXPECT_TRUE(write_file(file, text));
        const auto checked = check_udif(file);
        return checked ? std::string("good") : checked.error().message();
    };
    EXPECT_EQ(why(image_), "good");
    EXPECT_THAT(why("short"), HasSubstr("too short"));
    EXPECT_THAT(why(image_.substr(0, image_.size() - 600)), HasSubstr("is it whole"));
    EXPECT_THAT(why(image_.substr(10'000)), HasSubstr("outside of it"));
    EXPECT_THAT(why(make_dmg(disk_, 0x80000007)), HasSubstr("hdiutil convert"));
}

}  // namespace
}  // namespace hako::macos
