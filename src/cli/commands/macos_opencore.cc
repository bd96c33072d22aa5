#include "cli/commands/macos_opencore.h"

#include <utility>

#include "base/paths.h"
#include "cli/session.h"
#include "macos/machine_request.h"

namespace hako::cli {
namespace {

macos::OpenCoreWatch watch(const Session& session, macos::ProgressFile* progress) {
    auto shown = progress != nullptr ? macos::watch_in(*progress) : macos::OpenCoreWatch{};
    return {.on_wait =
                [io = session.io, show = shown.on_wait] {
                    io.complain("hako: another machine is downloading OpenCore: waiting");
                    if (show) show();
                },
            .on_file =
                [io = session.io, show = shown.on_file](const std::string& file) {
                    io.complain("hako: downloading " + file);
                    if (show) show(file);
                },
            .on_bytes = std::move(shown.on_bytes)};
}

}  // namespace

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

Result<void> OpenCoreFlags::add_to(macos::Variables& variables) const {
    const auto absolute = [](const std::string& path) {
        return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().native();
    };
    std::string paths;
    for (const auto& source : sources) {
        const auto path = absolute(source);
        if (path.find(':') != std::string::npos)
            return fail(ErrorKind::invalid,
                        "--opencore: {} has a colon, which stands between two paths: rename it",
                        path);
        paths += (paths.empty() ? "" : ":") + path;
    }
    const std::pair<const char*, std::string> given[] = {{"OPENCORE", paths},
                                                         {"OPENCORE_SHA256", sha256},
                                                         {"OPENCORE_LIST", absolute(list)},
                                                         {"OPENCORE_MIRROR", mirror}};
    for (const auto& [name, value] : given)
        if (!value.empty()) variables[name] = value;
    return {};
}

Result<std::vector<macos::OpenCoreSource>> find_opencore(const Session& session,
                                                         const macos::Variables& variables,
                                                         macos::ProgressFile* progress) {
    return macos::find_opencore({.variables = variables, .cache = session.paths.macos()},
                                watch(session, progress), {});
}

Result<std::vector<macos::OpenCoreSource>> find_opencore(const Session& session,
                                                         const OpenCoreFlags& flags) {
    macos::Variables variables;
    HAKO_CHECK(flags.add_to(variables));
    return find_opencore(session, variables);
}

Result<macos::OpenCoreCache> open_opencore_cache(const Session& session,
                                                 const macos::Variables& variables,
                                                 const std::filesystem::path& folder) {
    HAKO_TRY(auto options, macos::opencore_options(variables));
    options.watch = watch(session, nullptr);
    return macos::OpenCoreCache(folder / macos::kFetchedOpenCoreFolder, std::move(options));
}

}  // namespace hako::cli
