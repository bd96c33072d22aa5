// hako: the command line of the daemon's API.
#include "cli/main.h"

int main(int argc, char** argv) {
    return hako::cli::run_program({argv + 1, argv + argc}, hako::cli::Stdio{});
}
