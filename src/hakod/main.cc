// hakod: the daemon.
#include <cstdlib>

#include "base/log.h"
#include "base/thread.h"
#include "hakod/daemon.h"
#include "hakod/options.h"

int main(int argc, char** argv) {
    int status = EXIT_FAILURE;
    hako::run_guarded("hakod", [&] {
        const auto options = hako::hakod::parse_options(argc, argv);
        if (options.exit_code) {
            status = *options.exit_code;
            return;
        }
        hako::init_log("hakod", options.log_level);
        const auto ran = hako::hakod::run_daemon(options);
        if (ran) status = EXIT_SUCCESS;
        else hako::log_error("{}", ran.error().message());
    });
    return status;
}
