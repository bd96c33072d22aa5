#include "hakod/options.h"

#include <map>

#include <CLI/CLI.hpp>

namespace hako::hakod {

Options parse_options(int argc, char** argv) {
    Options options;
    CLI::App app(
        "The hako daemon: runs every container in a virtual machine of its own and serves the "
        "Docker API.");
    app.add_option("--root", options.root, "Where images and containers are kept")
        ->capture_default_str();
    app.add_option("--run", options.run, "Where sockets and running machines lie")
        ->capture_default_str();
    app.add_option("--host", options.hosts,
                   "Where to serve: unix://PATH or tcp://127.0.0.1:PORT; may be repeated "
                   "(default: unix://RUN/docker.sock, or systemd's sockets)");
    const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::debug},
                                                    {"info", LogLevel::info},
                                                    {"warn", LogLevel::warn},
                                                    {"error", LogLevel::error}};
    app.add_option("--log-level", options.log_level, "debug, info, warn or error")
        ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case));
    app.set_version_flag("--version", "hakod " HAKO_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        options.exit_code = app.exit(error);
    }
    return options;
}

}  // namespace hako::hakod
