// The test program is also its own hako-shim: shim_test.cc starts it again through a link. And it
// is a QEMU whose guest is hostile, when its name is hostile-<how>.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string_view>
#include <vector>

#include "runtime/hostile_vm.h"
#include "runtime/shim_main.h"

int main(int argc, char** argv) {
    const std::vector<std::string_view> arguments(argv + 1, argv + argc);
    constexpr std::string_view kOfShim[] = {"--spec", "jail", "shares"};
    if (!arguments.empty() && std::ranges::find(kOfShim, arguments[0]) != std::end(kOfShim))
        return hako::runtime::shim_main(arguments);
    ::signal(SIGPIPE, SIG_IGN);  // as our programs do
    const auto name = std::filesystem::path(argv[0]).filename().native();
    if (name.starts_with(hako::runtime::kHostilePrefix))
        return hako::runtime::hostile_vm_main(name.substr(hako::runtime::kHostilePrefix.size()));
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
