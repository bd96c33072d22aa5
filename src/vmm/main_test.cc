// The test program is its own jail and the stage of its shares: it is started again as
// `hako_vmm_test jail` and `hako_vmm_test shares`.
#include <gtest/gtest.h>

#include <csignal>
#include <string_view>

#include "vmm/jail.h"
#include "vmm/share_server.h"

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "jail") return hako::vmm::jail_main();
    if (argc > 1 && std::string_view(argv[1]) == "shares") return hako::vmm::share_stage_main();
    ::signal(SIGPIPE, SIG_IGN);  // as our programs do
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
