#include <string_view>
#include <vector>

#include "base/thread.h"
#include "macshim/shim_main.h"

int main(int argc, char** argv) {
    const std::vector<std::string_view> arguments(argv + 1, argv + argc);
    int status = 1;
    hako::run_guarded("hako-macos", [&] { status = hako::macshim::shim_main(arguments); });
    return status;
}
