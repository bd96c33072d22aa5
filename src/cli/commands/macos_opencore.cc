#include "cli/commands/macos_opencore.h"

#include "base/paths.h"
#include "cli/session.h"
#include "macos/machine_request.h"

namespace hako::cli {

void OpenCoreFlags::declare(Command& command) {
    command
        .option("--opencore", sources,
                "OpenCore release: its folder or ZIP; again for kexts that it lacks (default: "
                "downloaded)")
        .completes(Completes::files)
        .option("--opencore-sha256", sha256, "SHA-256 that the first --opencore must have");
    declare_download(command);
}

void OpenCoreFlags::declare_download(Command& command) {
    declare_list(command);
    command.option("--opencore-mirror", mirror, "URL of a folder that has OpenCore's files");
}

void OpenCoreFlags::declare_list(Command& command) {
    command
        .option("--opencore-list", list,
                "List (CSV) of OpenCore's files: name, version, SHA-256, URL (default: built in)")
        .completes(Completes::files);
}

Result<macos::OpenCoreCache> open_opencore_cache(const Session& session, const OpenCoreFlags& flags,
                                                 const std::filesystem::path& folder) {
    HAKO_TRY(auto options, macos::opencore_options(flags.list, flags.mirror));
    options.on_wait = [io = session.io] {
        io.complain("hako: another machine is downloading OpenCore: waiting");
    };
    options.on_file = [io = session.io](const std::string& file) {
        io.complain("hako: downloading " + file);
    };
    return macos::OpenCoreCache(folder / macos::kFetchedOpenCoreFolder, std::move(options));
}

Result<std::vector<macos::OpenCoreSource>> find_opencore(const Session& session,
                                                         const OpenCoreFlags& flags) {
    std::vector<macos::OpenCoreSource> sources;
    for (const auto& path : flags.sources) sources.push_back({.path = path});
    HAKO_CHECK(with_context(macos::check_sources(sources), "--opencore"));
    if (sources.empty() && !flags.names_download())
        sources = macos::sources_in(session.paths.macos() / macos::kOpenCoreFolder);
    HAKO_CHECK(with_context(macos::require_sum(sources, flags.sha256), "--opencore-sha256"));
    if (!sources.empty()) return sources;
    HAKO_TRY(auto cache, open_opencore_cache(session, flags, session.paths.macos()));
    return cache.fetch({});
}

}  // namespace hako::cli
