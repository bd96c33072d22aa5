#include <gtest/gtest.h>

#include "cli/output/listing.h"
#include "cli/output/progress.h"
#include "cli/output/table.h"
#include "cli/output/text.h"

namespace hako::cli {
namespace {

TEST(Table, AlignsWithThreeSpaces) {
    EXPECT_EQ(format_table({{"ID", "NAME"}, {"é23", "x"}, {"1", "long"}}),
              "ID        NAME\né23       x\n1         long\n");
    EXPECT_EQ(format_table({{"A", "B"}}, 5), "A    B\n");
    EXPECT_EQ(format_table({}), "");
}

TEST(Text, ShortensAndQuotes) {
    EXPECT_EQ(short_id("sha256:0123456789abcdef"), "0123456789ab");
    EXPECT_EQ(short_id("0123"), "0123");
    EXPECT_EQ(ellipsis("abcdef", 6), "abcdef");
    EXPECT_EQ(ellipsis("abcdefg", 6), "abcde…");
    EXPECT_EQ(ellipsis("äöüß", 3), "äö…");
    EXPECT_EQ(go_quote("a\"b\\\n"), "\"a\\\"b\\\\\\n\"");
}

TEST(Text, ShowsSizesInThreeDigits) {
    EXPECT_EQ(format_size(0), "0B");
    EXPECT_EQ(format_size(999), "999B");
    EXPECT_EQ(format_size(999'600), "1MB");
    EXPECT_EQ(format_size(1'999'234), "2MB");
    EXPECT_EQ(format_size(4'264'000), "4.26MB");
    EXPECT_EQ(format_size(123'456'789'000), "123GB");
}

TEST(Text, TellsHowLongAgo) {
    const WallTime then{std::chrono::hours(24 * 365 * 50)};
    EXPECT_EQ(time_ago(then, then + std::chrono::minutes(2)), "2 minutes ago");
    EXPECT_EQ(time_ago(then, then - std::chrono::hours(1)), time_ago(then, then));
    EXPECT_EQ(time_ago({}, then), "N/A");
}

class Listing : public testing::Test {
protected:
    std::string format(std::string_view format, bool quiet = false) {
        const auto text = format_listing(items_, style_, format, quiet);
        return text ? *text : "error: " + text.error().message();
    }
    std::vector<ListedItem> items_ = {
        {{{"ID", "1"}, {"Name", "one"}, {"Extra", "e"}}, {{"Label", {{"k", "v"}}}}},
        {{{"ID", "22"}, {"Name", "two"}, {"Extra", "f"}}, {{"Label", Json::object()}}}};
    ListingStyle style_ = {{{"ID", "THE ID"}, {"Name", "NAME"}}, {{"Extra", "EXTRA"}}, "ID"};
};

TEST_F(Listing, PrintsATable) {
    const auto* table = "THE ID    NAME\n1         one\n22        two\n";
    EXPECT_EQ(format(""), table);
    EXPECT_EQ(format("table"), table);
    EXPECT_EQ(format("table {{.Extra}}\\t{{.ID}}"),
              "EXTRA     THE ID\ne         1\nf         22\n");
}

TEST_F(Listing, PrintsIdsJsonAndTemplates) {
    EXPECT_EQ(format("", true), "1\n22\n");
    EXPECT_EQ(format("json"),
              "{\"Extra\":\"e\",\"ID\":\"1\",\"Name\":\"one\"}\n"
              "{\"Extra\":\"f\",\"ID\":\"22\",\"Name\":\"two\"}\n");
    EXPECT_EQ(format("{{.Name}}={{.Label \"k\"}}\\t."), "one=v\t.\ntwo=\t.\n");
    EXPECT_TRUE(format("{{.None}}").starts_with("error: "));
    EXPECT_TRUE(format("{{").starts_with("error: "));
}

Json layer(const char* id, const char* status, std::uint64_t current = 0, std::uint64_t total = 0) {
    Json message = {{"id", id}, {"status", status}, {"progressDetail", Json::object()}};
    if (total > 0) message["progressDetail"] = {{"current", current}, {"total", total}};
    return message;
}

TEST(Sizes, BinaryOnesHaveFourDigits) {
    EXPECT_EQ(format_binary_size(0), "0B");
    EXPECT_EQ(format_binary_size(1023), "1023B");
    EXPECT_EQ(format_binary_size(1536), "1.5KiB");
    EXPECT_EQ(format_binary_size(512ULL << 20U), "512MiB");
    EXPECT_EQ(format_binary_size(1234567890), "1.15GiB");
}

TEST(Progress, DrawsBars) {
    EXPECT_EQ(format_bar(0, 100, 80), "[>" + std::string(49, ' ') + "]  0B/100B");
    EXPECT_EQ(format_bar(50, 100, 80),
              "[" + std::string(25, '=') + ">" + std::string(24, ' ') + "]  50B/100B");
    EXPECT_EQ(format_bar(200, 100, 80), "[" + std::string(50, '=') + "]  100B/100B");
    EXPECT_EQ(format_bar(50, 100, 40), "50B/100B");
    EXPECT_EQ(format_bar(50, 0, 80), "50B");
}

TEST(Progress, KeepsALineForEachLayerOnATerminal) {
    ProgressRenderer renderer(80);
    EXPECT_EQ(renderer.render({{"id", "latest"}, {"status", "Pulling from x"}}),
              "latest: Pulling from x\n");
    EXPECT_EQ(renderer.render(layer("a", "Waiting")), "a: Waiting\n");
    EXPECT_EQ(renderer.render(layer("b", "Waiting")), "b: Waiting\n");
    EXPECT_EQ(renderer.render(layer("a", "Done")), "\x1b[2A\x1b[2K\ra: Done\r\x1b[2B");
    EXPECT_EQ(renderer.render({{"status", "Digest: x"}}), "Digest: x\n");
    EXPECT_EQ(renderer.render(layer("a", "Again")), "a: Again\n");
}

TEST(Progress, NeverWrapsALine) {
    ProgressRenderer renderer(20);
    const auto line = renderer.render(layer("a", "A status that is far too long for it"));
    EXPECT_LE(display_width(line), 20U);
}

TEST(Progress, PrintsPlainLinesElsewhere) {
    ProgressRenderer renderer(0);
    EXPECT_EQ(renderer.render(layer("a", "Downloading", 1, 2)), "");
    EXPECT_EQ(renderer.render(layer("a", "Done")), "a: Done\n");
    EXPECT_EQ(renderer.render({{"stream", "Loaded image: x\n"}}), "Loaded image: x\n");
    EXPECT_EQ(renderer.render({{"aux", {{"ID", "x"}}}}), "");
    EXPECT_EQ(renderer.render({{"status", 7}}), "");
}

TEST(Progress, TellsHowFastALayerComes) {
    ProgressRenderer renderer(120);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(renderer.render(layer("a", "Downloading", 1'000'000, 9'000'000), begin).find("/s"),
              std::string::npos);
    EXPECT_NE(renderer
                  .render(layer("a", "Downloading", 5'000'000, 9'000'000),
                          begin + std::chrono::seconds(2))
                  .find("  5MB/9MB  2MB/s"),
              std::string::npos);
}

TEST(Progress, SumsUpWhatAPullBrought) {
    ProgressRenderer renderer(0);
    EXPECT_EQ(renderer.summary(), "");
    renderer.render(layer("a", "Downloading", 1, 2'000));
    renderer.render(layer("a", "Pull complete"));
    renderer.render(layer("b", "Already exists"));
    renderer.render(layer("c", "Already exists"));
    EXPECT_EQ(renderer.summary(), "Layers: 1 downloaded (2kB), 2 already there\n");
}

}  // namespace
}  // namespace hako::cli
