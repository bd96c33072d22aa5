// The test program is also its own hako-shim: shim_test.cc starts it again through a link.
#include <gtest/gtest.h>

#include <csignal>
#include <string_view>
#include <vector>

#include "runtime/shim_main.h"

int main(int argc, char** argv) {
    const std::vector<std::string_view> arguments(argv + 1, argv + argc);
    if (!arguments.empty() && (arguments[0] == "--spec" || arguments[0] == "jail"))
        return hako::runtime::shim_main(arguments);
    ::signal(SIGPIPE, SIG_IGN);  // as our programs do
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
