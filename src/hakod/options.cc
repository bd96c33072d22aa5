#include "hakod/options.h"

#include <cstdio>
#include <cstdlib>
#include <map>

#include <CLI/CLI.hpp>

#include "base/fd.h"

namespace hako::hakod {
namespace {

constexpr const char* kDefaultConfig = "/etc/hako/daemon.json";

// The default file need not be there.
Result<Configuration> read_config(const std::filesystem::path& path, bool required) {
    const auto text = read_file(path);
    if (!text && text.error().kind() == ErrorKind::not_found && !required) return Configuration();
    if (!text) return fail(text.error());
    return with_context(parse_config(*text), path.string());
}

}  // namespace

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
    app.add_flag("--rootless", options.rootless,
                 "As an ordinary user, in a user and network namespace with pasta as the way out "
                 "(see docs/rootless.md)");
    app.add_flag("--reset", options.reset,
                 "Serve nothing: end all VMs, remove networks, rules and all files of the root");
    std::string bridge = "bridge";
    app.add_option("--bridge", bridge,
                   "The network of containers that name none: bridge, or none for no network")
        ->envname("HAKO_BRIDGE")
        ->check(CLI::IsMember({"bridge", "none"}))
        ->capture_default_str();
    std::optional<unsigned> warm_pool;
    app.add_option(
           "--warm-pool", warm_pool,
           fmt::format("How many VMs wait, loaded, for containers without volumes; none while the "
                       "host is short of memory (default: {})",
                       options.configuration.templates.warm_pool))
        ->envname("HAKO_WARM_POOL")
        ->check(CLI::Range(0U, engine::kMostWarm));
    const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::debug},
                                                    {"info", LogLevel::info},
                                                    {"warn", LogLevel::warn},
                                                    {"error", LogLevel::error}};
    app.add_option("--log-level", options.log_level, "debug, info, warn or error")
        ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case));
    std::filesystem::path config = kDefaultConfig;
    const auto* config_option =
        app.add_option("--config", config, "Configuration file, see docs/daemon.md")
            ->capture_default_str();
    std::vector<std::filesystem::path> certificates{"/etc/docker/certs.d", "/etc/hako/certs.d"};
    app.add_option("--certs-dir", certificates,
                   "Where CAs and client certificates of registries lie: "
                   "DIR/HOST[:PORT]/{*.crt,*.cert,*.key}; may be repeated")
        ->capture_default_str();
    app.set_version_flag("--version", "hakod " HAKO_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        options.exit_code = app.exit(error);
        return options;
    }
    options.default_bridge = bridge == "bridge";
    auto read = read_config(config, config_option->count() > 0);
    if (!read) {
        fmt::print(stderr, "hakod: {}\n", read.error().message());
        options.exit_code = EXIT_FAILURE;
        return options;
    }
    options.configuration = *std::move(read);
    if (warm_pool) options.configuration.templates.warm_pool = *warm_pool;
    auto& registries = options.configuration.registries;
    registries.certificate_folders = std::move(certificates);
    registries.proxies = oci::Proxies::from_environment();
    return options;
}

}  // namespace hako::hakod
