// The test program is its own jail and the stage of its shares: it is started again as
// `hako_vmm_test jail` and `hako_vmm_test shares`, and as what serves them, `shut-in`.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <string_view>

#include "vmm/jail.h"
#include "vmm/share_server.h"

namespace {

// As virtiofsd does to itself: /sys is all that it sees.
int shut_in_main() {
    const bool shut_in = ::unshare(CLONE_NEWNS) == 0 &&
                         ::mount("/sys", "/sys", nullptr, MS_BIND | MS_REC, nullptr) == 0 &&
                         ::chdir("/sys") == 0 && ::syscall(SYS_pivot_root, ".", ".") == 0;
    ::usleep(100'000);  // both roots are there
    if (!shut_in || ::umount2(".", MNT_DETACH) != 0) return 1;
    return ::pause();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "jail") return hako::vmm::jail_main();
    if (argc > 1 && std::string_view(argv[1]) == "shares") return hako::vmm::share_stage_main();
    if (argc > 1 && std::string_view(argv[1]) == "shut-in") return shut_in_main();
    ::signal(SIGPIPE, SIG_IGN);  // as our programs do
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
