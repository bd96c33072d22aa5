// hako macos fetch, import: the recovery systems from which machines install, and what they boot
// with
#include <chrono>
#include <mutex>

#include "base/log.h"
#include "base/units.h"
#include "cli/commands/macos.h"
#include "cli/commands/macos_opencore.h"
#include "cli/output/progress.h"
#include "cli/output/text.h"
#include "cli/session.h"
#include "macos/machine_request.h"
#include "macos/recovery.h"

namespace hako::cli {
namespace {

constexpr std::size_t kBarColumns = 60;
constexpr std::int64_t kMostConnections = 16;
constexpr auto kRedraw = std::chrono::milliseconds(200);

struct FetchFlags {
    std::string version = std::string(macos::kDefaultVersion);
    std::string cache;
    std::string server;
    std::string output;
    std::optional<std::int64_t> connections;
    bool allow_unverified = false;
    bool no_opencore = false;
    OpenCoreFlags opencore;

    std::filesystem::path folder(const Session& session) const {
        return cache.empty() ? session.paths.macos() : std::filesystem::path(cache);
    }
};

void add_common(Command& command, FetchFlags& flags) {
    command.option("--version", flags.version, "Release of macOS, by number or name (default 14)")
        .option("--cache", flags.cache, "Folder of the images (default: the daemon's, or your own)")
        .flag("--allow-unverified", flags.allow_unverified,
              "Take an image that Apple did not sign: whoever made it rules what boots");
}

Result<macos::RecoveryCache> open_cache(const Session& session, const FetchFlags& flags) {
    macos::RecoveryOptions options{.allow_unverified = flags.allow_unverified};
    if (!flags.server.empty()) options.server = flags.server;
    options.transport.proxies = oci::Proxies::from_environment();
    options.on_wait = [io = session.io] {
        io.complain("hako: another machine is downloading the same recovery system: waiting");
    };
    if (flags.connections) {
        if (*flags.connections < 1 || *flags.connections > kMostConnections)
            return fail(ErrorKind::invalid, "--connections is a number from 1 to {}",
                        kMostConnections);
        options.download.connections = static_cast<std::size_t>(*flags.connections);
    }
    return macos::RecoveryCache(flags.folder(session), std::move(options));
}

// A bar on a terminal, a line every tenth elsewhere.
class Meter {
public:
    explicit Meter(const Stdio& io) : io_(io), terminal_(io.err_is_terminal()) {}

    void show(std::uint64_t done, std::uint64_t total) {
        const auto time = std::chrono::steady_clock::now();
        if (!begun_) {
            begun_ = time;
            first_ = done;
        }
        const auto tenth = total == 0 ? 0 : done * 10 / total;
        if (terminal_ ? time - drawn_ < kRedraw && done != total : tenth == tenth_) return;
        drawn_ = time;
        tenth_ = tenth;
        const auto seconds = std::chrono::duration<double>(time - *begun_).count();
        const auto speed = seconds > 0 ? static_cast<double>(done - first_) / seconds : 0;
        auto text = fmt::format("{} {}/s", format_bar(done, total, kBarColumns),
                                format_size(static_cast<std::uint64_t>(speed)));
        if (speed > 0 && done < total)
            text += fmt::format(", {:.0f} s left", static_cast<double>(total - done) / speed);
        const auto line =
            terminal_ ? fmt::format("\r\033[K{}{}", text, done == total ? "\n" : "") : text + "\n";
        (void)write_all(io_.err, line);
    }

private:
    const Stdio& io_;
    bool terminal_;
    std::optional<std::chrono::steady_clock::time_point> begun_;
    std::chrono::steady_clock::time_point drawn_{};
    std::uint64_t first_ = 0;
    std::uint64_t tenth_ = 11;
};

void tell(const Session& session, const macos::RecoveryImage& image) {
    if (!image.is_signed)
        session.io.complain(
            "hako: warning: Apple did not sign this image; it is used because of "
            "--allow-unverified");
    session.io.print_line(image.dmg.native());
}

Result<macos::RecoveryImage> fetch_image(const Session& session, const FetchFlags& flags,
                                         const macos::Version& version,
                                         const macos::DownloadProgress& progress) {
    HAKO_TRY(auto cache, open_cache(session, flags));
    Meter meter(session.io);
    return cache.fetch(version,
                       [&](std::uint64_t done, std::uint64_t total) {
                           meter.show(done, total);
                           if (progress) progress(done, total);
                       },
                       {});
}

// Nullopt where the user has put releases of his own where machines look for them.
Result<std::optional<macos::OpenCoreCache>> downloaded_opencore(const Session& session,
                                                                const FetchFlags& flags) {
    const auto folder = flags.folder(session);
    macos::Variables variables;
    HAKO_CHECK(flags.opencore.add_to(variables));
    HAKO_TRY(const auto named, macos::named_opencore({.variables = variables, .cache = folder}));
    if (!named.empty()) return std::nullopt;
    return open_opencore_cache(session, variables, folder);
}

Result<void> fetch_opencore(const Session& session, const FetchFlags& flags) {
    if (flags.no_opencore) return {};
    HAKO_TRY(auto found, downloaded_opencore(session, flags));
    if (!found) return {};
    auto& cache = *found;
    HAKO_CHECK(cache.fetch({}));
    return flags.output.empty() ? Result<void>() : cache.export_to(flags.output);
}

Result<int> fetch(Session& session, const FetchFlags& flags) {
    HAKO_TRY(const auto version, macos::find_version(flags.version));
    HAKO_TRY(const auto cache, open_cache(session, flags));
    // First what is small: it is soon known whether that can be had.
    HAKO_CHECK(fetch_opencore(session, flags));
    HAKO_TRY(auto image, fetch_image(session, flags, version, {}));
    if (!flags.output.empty()) {
        HAKO_CHECK(cache.export_to(version, flags.output));
        image.dmg = std::filesystem::path(flags.output) / image.dmg.filename();
    }
    tell(session, image);
    return 0;
}

Result<void> import_opencore(const Session& session, const FetchFlags& flags,
                             const std::string& folder) {
    HAKO_TRY(auto cache, downloaded_opencore(session, flags));
    if (!cache) return {};
    HAKO_TRY(const auto missing, cache->import(folder));
    if (!missing.empty())
        session.io.complain(
            fmt::format("hako: {} has not all of OpenCore: {} will be downloaded when a machine "
                        "starts",
                        folder, fmt::join(missing, ", ")));
    return {};
}

}  // namespace

Result<std::filesystem::path> fetch_recovery(const Session& session,
                                             const macos::MacSettings& settings,
                                             const macos::DownloadProgress& progress) {
    FetchFlags flags;
    flags.connections = static_cast<std::int64_t>(settings.connections);
    flags.allow_unverified = settings.allow_unverified;
    flags.server = settings.recovery_server;
    HAKO_TRY(auto image, fetch_image(session, flags, settings.version, progress));
    return std::move(image.dmg);
}

Command macos_fetch_command() {
    auto flags = std::make_shared<FetchFlags>();
    Command command("fetch",
                    "Download what a machine needs: a recovery system of Apple's, OpenCore");
    add_common(command, *flags);
    command.option("-o,--output", flags->output, "Also copy it to this folder, for `import`")
        .completes(Completes::files)
        .option("--server", flags->server, "Mirror that speaks the protocol of Apple's server")
        .option("--connections", flags->connections, "Connections at a time (default 4)")
        .flag("--no-opencore", flags->no_opencore, "Leave OpenCore out, as it comes from elsewhere")
        .arguments("", 0, 0);
    flags->opencore.declare_download(command);
    command.action([flags](Session& session, const auto&) { return fetch(session, *flags); });
    return command;
}

Command macos_import_command() {
    auto flags = std::make_shared<FetchFlags>();
    Command command("import", "Take what `fetch -o` put into a folder");
    add_common(command, *flags);
    command.arguments("FOLDER", 1, 1, Completes::files);
    flags->opencore.declare_list(command);
    command.action([flags](Session& session, const auto& arguments) -> Result<int> {
        HAKO_TRY(const auto version, macos::find_version(flags->version));
        HAKO_TRY(auto cache, open_cache(session, *flags));
        HAKO_TRY(const auto image, cache.import(version, arguments.front()));
        HAKO_CHECK(import_opencore(session, *flags, arguments.front()));
        tell(session, image);
        return 0;
    });
    return command;
}

}  // namespace hako::cli
