// hakod: the daemon.
#include <cstdlib>
#include <string_view>

#include "base/log.h"
#include "base/thread.h"
#include "hakod/daemon.h"
#include "hakod/options.h"
#include "hakod/rootless.h"

int main(int argc, char** argv) {
    if (argc == 3 && std::string_view(argv[1]) == hako::hakod::rootless_holder)
        return hako::hakod::rootless_holder_main(argv[2]);
    int status = EXIT_FAILURE;
    hako::run_guarded("hakod", [&] {
        const auto options = hako::hakod::parse_options(argc, argv);
        if (options.exit_code) {
            status = *options.exit_code;
            return;
        }
        hako::init_log("hakod", options.log_level);
        const auto entered =
            options.rootless ? hako::hakod::enter_rootless(options.run) : hako::Result<void>();
        const auto ran = entered ? hako::hakod::run_daemon(options) : entered;
        if (options.rootless && entered) hako::hakod::leave_rootless(options.run);
        if (ran) status = EXIT_SUCCESS;
        else hako::log_error("{}", ran.error().message());
    });
    return status;
}
