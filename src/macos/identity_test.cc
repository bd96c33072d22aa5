#include "macos/identity.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

#include "base/fd.h"
#include "macos/versions.h"

namespace hako::macos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Draw fixed_draw(unsigned seed) {
    return [generator = std::mt19937(seed)](std::uint32_t bound) mutable {
        return static_cast<std::uint32_t>(generator() % bound);
    };
}

IdentityParts all_parts(const Identity& identity) {
    return identity_parts_from_json(to_json(identity)).value();
}

TEST(Identity, OfEveryModelIsGoodAndItsOwn) {
    const auto draw = fixed_draw(1);
    std::set<std::string> seen;
    std::size_t made = 0;
    for (const auto& model : all_models())
        for (int i = 0; i < 50; ++i) {
            const auto identity = make_identity({.product = model.product}, draw);
            ASSERT_TRUE(identity) << model.product << ": " << identity.error().message();
            EXPECT_THAT(check_identity(all_parts(*identity)), IsEmpty()) << model.product;
            EXPECT_EQ(identity->serial.substr(8), model.model_code);
            EXPECT_EQ(identity->mac.substr(0, 9), "00:16:CB:");
            auto digits = identity->mac;
            std::erase(digits, ':');
            EXPECT_EQ(identity->rom, digits);
            seen.insert(identity->uuid);
            ++made;
        }
    EXPECT_EQ(seen.size(), made);
}

TEST(Identity, KeepsWhatIsGiven) {
    const auto all = make_identity({}, fixed_draw(2)).value();
    const auto halves =
        make_identity({.serial = all.serial, .mac = "02-00-00-aa-bb-cc"}, fixed_draw(3));
    ASSERT_TRUE(halves);
    EXPECT_EQ(halves->serial, all.serial);
    EXPECT_EQ(halves->mac, "02:00:00:AA:BB:CC");
    EXPECT_EQ(halves->rom, "020000AABBCC");
    EXPECT_NE(halves->uuid, all.uuid);
    // The board was built a week before: of the same year or the one before.
    EXPECT_THAT(check_identity({.mlb = halves->mlb}), IsEmpty());
}

TEST(Identity, NamesThePartThatIsWrong) {
    const auto faults = [](const IdentityParts& parts) { return check_identity(parts); };
    EXPECT_THAT(faults({.product = "iMac99,1"}), ElementsAre(HasSubstr("iMac20,1")));
    EXPECT_THAT(faults({.product = "PowerBook"}), ElementsAre(HasSubstr("hako macos models")));
    EXPECT_THAT(faults({.serial = "SHORT"}), ElementsAre(HasSubstr("12 characters")));
    EXPECT_THAT(faults({.mlb = "C0274000000000001"}), ElementsAre(HasSubstr("checksum")));
    EXPECT_THAT(faults({.uuid = "no-uuid"}), ElementsAre(HasSubstr("UUID")));
    EXPECT_THAT(faults({.uuid = "01234567-89AB-CDEF-0123-456789ABCDEG"}),
                ElementsAre(HasSubstr("UUID")));
    EXPECT_THAT(faults({.mac = "01:16:CB:01:02:03"}), ElementsAre(HasSubstr("multicast")));
    EXPECT_THAT(faults({.mac = "00:00:00:00:00:00"}), ElementsAre(HasSubstr("is empty")));
    EXPECT_THAT(faults({.mac = "00:16:CB:01:02"}), ElementsAre(HasSubstr("write it as")));
    EXPECT_THAT(faults({.mac = "00.16.CB.01.02.03"}), ElementsAre(HasSubstr("write it as")));
    EXPECT_THAT(faults({.rom = "0016CB"}), ElementsAre(HasSubstr("12 hexadecimal")));
    EXPECT_FALSE(make_identity({.mac = "01:16:CB:01:02:03"}, fixed_draw(1)));
}

TEST(Identity, IsKeptInItsFile) {
    const auto folder = TempDir::create().value();
    const auto file = folder.path() / "identity.json";
    const auto first = keep_identity(file, {}, fixed_draw(4)).value();
    EXPECT_EQ(keep_identity(file, {}, fixed_draw(5)).value(), first);

    const auto moved = keep_identity(file, {.mac = "00:16:CB:00:00:01"}, fixed_draw(6)).value();
    EXPECT_EQ(moved.serial, first.serial);
    EXPECT_EQ(moved.uuid, first.uuid);
    EXPECT_EQ(moved.rom, "0016CB000001");
    EXPECT_EQ(keep_identity(file, {}, fixed_draw(7)).value(), moved);

    const auto other = keep_identity(file, {.product = "MacPro7,1"}, fixed_draw(8)).value();
    EXPECT_EQ(other.uuid, moved.uuid);
    EXPECT_NE(other.serial, moved.serial);
}

TEST(Identity, ADamagedFileIsSaidNotReplaced) {
    const auto folder = TempDir::create().value();
    const auto file = folder.path() / "identity.json";
    ASSERT_TRUE(write_file(file, R"({"product":"iMacPro1,1","serial":"X"})"));
    const auto kept = keep_identity(file, {}, fixed_draw(1));
    ASSERT_FALSE(kept);
    EXPECT_THAT(kept.error().message(), HasSubstr("is damaged"));
    EXPECT_EQ(read_file(file).value(), R"({"product":"iMacPro1,1","serial":"X"})");
    ASSERT_TRUE(write_file(file, "{"));
    EXPECT_FALSE(keep_identity(file, {}, fixed_draw(1)));
}

TEST(Identity, TheSystemsRandomSourceStaysBelowItsBound) {
    const auto draw = system_draw();
    for (int i = 0; i < 1000; ++i) EXPECT_LT(draw(7), 7U);
}

TEST(Versions, AreFoundByNumberAndName) {
    const std::pair<std::string_view, std::string_view> kWanted[] = {
        {"14", "14"},         {"14.5", "14"},     {"Sonoma", "14"},     {"sonoma", "14"},
        {"big-sur", "11"},    {"BigSur", "11"},   {"Big Sur", "11"},    {"10", "10.15"},
        {"10.15.7", "10.15"}, {"10.13", "10.13"}, {"10.14.6", "10.14"}, {"16", "26"},
        {"16.0", "26"},       {"tahoe", "26"},    {"26", "26"},         {"high-sierra", "10.13"}};
    for (const auto& [text, number] : kWanted) {
        const auto version = find_version(text);
        ASSERT_TRUE(version) << text;
        EXPECT_EQ(version->number, number) << text;
    }
}

TEST(Versions, OthersAreRefusedWithTheList) {
    for (const auto* text : {"9", "17", "", "-1", "14x", "lion", "1O"}) {
        const auto version = find_version(text);
        ASSERT_FALSE(version) << text;
        EXPECT_THAT(version.error().message(), HasSubstr("26 (Tahoe)"));
    }
}

TEST(Versions, TheTableIsWhole) {
    int darwin = 16;
    for (const auto& version : all_versions()) {
        EXPECT_EQ(version.darwin, ++darwin) << version.number;
        EXPECT_EQ(version.mlb.size(), 17U);
        EXPECT_TRUE(version.board_id.starts_with("Mac-")) << version.board_id;
        EXPECT_TRUE(version.os == "default" || version.os == "latest");
    }
}

}  // namespace
}  // namespace hako::macos
