// The test program is its own jail: Machine starts it again as `hako_vmm_test jail`.
#include <gtest/gtest.h>

#include <csignal>
#include <string_view>

#include "vmm/jail.h"

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "jail") return hako::vmm::jail_main();
    ::signal(SIGPIPE, SIG_IGN);  // as our programs do
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
