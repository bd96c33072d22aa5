#include "cli/man_pages.h"

#include <gtest/gtest.h>

#include "base/fd.h"
#include "cli/main.h"

namespace hako::cli {
namespace {

TEST(ManPages, EveryCommandHasOne) {
    const auto folder = TempDir::create().value();
    ASSERT_TRUE(write_man_pages(all_commands(), folder.path()));
    for (const char* name : {"hako", "hako-run", "hako-container-ls", "hako-system-df"})
        EXPECT_TRUE(std::filesystem::exists(folder.path() / (std::string(name) + ".1"))) << name;
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "hako-__complete.1"));
    const auto page = read_file(folder.path() / "hako-stop.1").value();
    EXPECT_NE(page.find(".SH NAME\nhako\\-stop \\- Stop one or more"), std::string::npos) << page;
    EXPECT_NE(page.find("\\fB\\-t, \\-\\-timeout\\fR"), std::string::npos) << page;
}

TEST(ManPages, TextIsNoMarkup) {
    Command command("x", ".begins with a dot, holds \\ and -");
    const auto page = man_page(command, "x");
    EXPECT_NE(page.find("\\&.begins with a dot, holds \\e and \\-"), std::string::npos) << page;
}

}  // namespace
}  // namespace hako::cli
