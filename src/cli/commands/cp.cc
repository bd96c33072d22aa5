// hako cp: the rules of `docker cp` (docs/cli.md).
#include <sys/stat.h>

#include <filesystem>

#include "base/base64.h"
#include "cli/commands/commands.h"
#include "cli/local_files.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kGoDirectory = 1U << 31U;
constexpr std::uint32_t kGoSymlink = 1U << 27U;
constexpr std::string_view kStatHeader = "X-Docker-Container-Path-Stat";

struct CopyOptions {
    bool archive = false, follow = false, quiet = false;
};

// One side of a copy: a path, in a container or here.
struct Side {
    std::string container;  // empty: here
    std::string path;
};

// "name:path" is in a container; what begins with a slash or a dot never is.
Side parse_side(const std::string& text) {
    const auto colon = text.find(':');
    if (text.starts_with('/') || text.starts_with('.') || colon == std::string::npos || colon == 0)
        return {{}, text};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

struct Found {
    bool exists = false;
    bool directory = false;
    std::string link;  // of a symbolic link: its target
};

// "a/b/" and "a/b/." ask for what is in b, or that it is a directory.
bool asks_for_contents(std::string_view path) { return path == "." || path.ends_with("/."); }
bool asks_for_directory(std::string_view path) {
    return path.ends_with('/') || asks_for_contents(path);
}

// The last component; "." where the contents are meant, "/" has none but those.
std::string base_of(const std::string& path) {
    if (asks_for_contents(path)) return ".";
    auto text = path;
    while (text.size() > 1 && text.ends_with('/')) text.pop_back();
    const auto name = text.substr(text.rfind('/') + 1);
    return name.empty() ? "." : name;
}

std::string parent_of(const std::string& path) {
    auto text = path;
    while (text.size() > 1 && text.ends_with('/')) text.pop_back();
    const auto slash = text.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : text.substr(0, slash);
}

Result<Found> parse_stat(const http::ClientStream& answer) {
    const auto header = answer.headers().find(kStatHeader);
    if (!header) return fail(ErrorKind::unimplemented, "the daemon does not describe paths");
    HAKO_TRY(const auto text, decode_base64(*header));
    HAKO_TRY(const auto json, parse_json(text));
    const auto mode = json.value("mode", 0U);
    return Found{true, (mode & kGoDirectory) != 0,
                 (mode & kGoSymlink) != 0 ? json.value("linkTarget", "") : ""};
}

std::string archive_path(const Side& side) {
    return fmt::format("/containers/{}/archive", side.container);
}

Result<Found> look(const Api& api, const Side& side) {
    const auto answer = api.stream("HEAD", archive_path(side), {{"path", side.path}});
    if (answer) return parse_stat(**answer);
    if (answer.error().kind() != ErrorKind::not_found) return fail(answer.error());
    // A missing container answers likewise, and its sentence says more.
    HAKO_TRY([[maybe_unused]] const auto there,
             api.get(fmt::format("/containers/{}/json", side.container)));
    return Found{};
}

// What the path's link points to, if it is one.
Result<Side> resolve(const Api& api, Side side) {
    HAKO_TRY(const auto found, look(api, side));
    if (found.link.empty()) return side;
    const fs::path target(found.link);
    side.path = (fs::path(parent_of(side.path)) / target).string();  // or the target, if absolute
    return side;
}

Found look_here(const std::string& path) {
    std::error_code error;
    const auto status = fs::status(path, error);
    return {fs::exists(status), fs::is_directory(status), {}};
}

// Where the source goes: a directory, and the name that it gets in there.
struct Destination {
    std::string folder;
    std::string name;
};

Result<Destination> place(const std::string& source, bool source_is_directory,
                          const std::string& target, const Found& found) {
    if (found.exists && found.directory) return Destination{target, base_of(source)};
    if (found.exists) {
        if (source_is_directory)
            return fail(ErrorKind::invalid, "cannot copy a directory onto the file {}", target);
        if (asks_for_directory(target))
            return fail(ErrorKind::invalid, "{} is no directory", target);
    } else if (!source_is_directory && asks_for_directory(target)) {
        return fail(ErrorKind::invalid, "there is no directory {}: make it first", target);
    }
    return Destination{parent_of(target), base_of(target)};
}

Result<void> copy_from(const Api& api, const CopyOptions& options, Side from, const std::string& to,
                       const Stdio& io) {
    if (options.follow) {
        HAKO_TRY(from, resolve(api, from));
    }
    HAKO_TRY(const auto answer, api.stream("GET", archive_path(from), {{"path", from.path}}));
    if (to == "-") {
        FdWriter out(io.out);
        HAKO_CHECK(copy_all(*answer, out));
        return {};
    }
    HAKO_TRY(const auto source, parse_stat(*answer));
    HAKO_TRY(const auto target, place(from.path, source.directory, to, look_here(to)));
    std::error_code error;
    if (!fs::is_directory(target.folder, error))
        return fail(ErrorKind::not_found, "there is no directory {}: make it first", target.folder);
    return extract(*answer, {.folder = target.folder,
                             .from = base_of(from.path),
                             .to = target.name,
                             .keep_owner = options.archive});
}

Result<void> copy_to(const Api& api, const CopyOptions& options, std::string from, Side to,
                     const Stdio& io) {
    HAKO_TRY(to, resolve(api, to));
    HAKO_TRY(const auto found, look(api, to));
    http::Query query{{"noOverwriteDirNonDir", "true"}};
    if (options.archive) query.add("copyUIDGID", "true");
    std::unique_ptr<Reader> tar;
    if (from == "-") {
        if (!found.directory)
            return fail(ErrorKind::invalid, "{}:{} is no directory: a tar goes into one",
                        to.container, to.path);
        tar = std::make_unique<FdReader>(io.in);
        query.add("path", to.path);
    } else {
        std::error_code error;
        if (options.follow) from = fs::canonical(from, error).string();
        const auto status = fs::symlink_status(from, error);
        if (!fs::exists(status)) return fail(ErrorKind::not_found, "there is no {}", from);
        const bool directory =
            asks_for_directory(from) ? fs::is_directory(from, error) : fs::is_directory(status);
        HAKO_TRY(const auto target, place(from, directory, to.path, found));
        HAKO_TRY(tar, tar_of(from, target.name));
        query.add("path", target.folder);
    }
    HAKO_TRY(const auto answer, api.stream("PUT", archive_path(to), query, tar.get()));
    return drain(*answer);
}

}  // namespace

Command cp_command() {
    auto options = std::make_shared<CopyOptions>();
    Command command("cp", "Copy files between a container and this machine");
    command.flag("-a,--archive", options->archive, "Archive mode: keep the owners");
    command.flag("-L,--follow-link", options->follow, "Copy what a symbolic link points to");
    command.flag("-q,--quiet", options->quiet, "For docker's sake: nothing is printed anyway");
    command.arguments("CONTAINER:PATH LOCAL|- or LOCAL|- CONTAINER:PATH", 2, 2,
                      Completes::containers);
    command.action([options](Session& session, const auto& words) -> Result<int> {
        auto from = parse_side(words[0]);
        auto to = parse_side(words[1]);
        if (from.container.empty() == to.container.empty())
            return fail(ErrorKind::invalid,
                        "one side is in a container and one is here: name one as CONTAINER:PATH");
        if (from.path.empty() || to.path.empty())
            return fail(ErrorKind::invalid, "name a path, also of the destination");
        if (to.path == "-" && session.io.out_is_terminal())
            return fail(ErrorKind::invalid,
                        "refusing to write a tar to a terminal: name a path or pipe it");
        HAKO_TRY(const auto* api, session.api());
        if (to.container.empty())
            HAKO_CHECK(copy_from(*api, *options, std::move(from), to.path, session.io));
        else HAKO_CHECK(copy_to(*api, *options, from.path, std::move(to), session.io));
        return 0;
    });
    return command;
}

}  // namespace hako::cli
