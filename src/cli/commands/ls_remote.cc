// hako image ls-remote
#include "cli/commands/commands.h"
#include "cli/credentials/credentials.h"
#include "cli/pull.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct RemoteOptions {
    bool catalog = false, referrers = false;
    std::string format;
};

// One line each, or the daemon's answer as it is.
Result<int> show(Session& session, const Json& answer, const char* field,
                 const RemoteOptions& options) {
    if (options.format == "json") {
        session.io.print_line(dump_json(answer));
        return 0;
    }
    HAKO_TRY(const auto list, json_field_or<std::vector<std::string>>(answer, field, {}));
    for (const auto& entry : list) session.io.print_line(entry);
    return 0;
}

Result<int> show_referrers(Session& session, const Json& answer, const RemoteOptions& options) {
    if (options.format == "json") return show(session, answer, "Referrers", options);
    HAKO_TRY(const auto list, json_field_or<std::vector<Json>>(answer, "Referrers", {}));
    for (const auto& referrer : list) {
        HAKO_TRY(const auto digest, json_field_or<std::string>(referrer, "digest", ""));
        HAKO_TRY(const auto type, json_field_or<std::string>(referrer, "artifactType", ""));
        session.io.print_line(type.empty() ? digest : fmt::format("{}  {}", digest, type));
    }
    return 0;
}

Result<int> list_tags(Session& session, const RemoteOptions& options, const std::string& name) {
    if (options.catalog && options.referrers)
        return fail(ErrorKind::invalid, "--catalog and --referrers exclude each other");
    if (!options.format.empty() && options.format != "json")
        return fail(ErrorKind::invalid, "--format takes json only");
    const auto server = options.catalog ? server_of_argument(name) : server_of_image(name);
    const auto headers = registry_headers(session.io, server);
    HAKO_TRY(const auto* api, session.api());
    if (options.catalog) {
        HAKO_TRY(const auto answer,
                 api->hako_get("/registry/repositories", {{"registry", name}}, headers));
        return show(session, answer, "Repositories", options);
    }
    if (options.referrers) {
        HAKO_TRY(const auto answer,
                 api->hako_get("/registry/referrers", {{"name", name}}, headers));
        return show_referrers(session, answer, options);
    }
    HAKO_TRY(const auto answer, api->hako_get("/registry/tags", {{"name", name}}, headers));
    return show(session, answer, "Tags", options);
}

}  // namespace

Command ls_remote_command() {
    auto options = std::make_shared<RemoteOptions>();
    Command command("ls-remote", "List the tags of an image in its registry");
    command.flag("--catalog", options->catalog, "List the repositories of the registry NAME");
    command.flag("--referrers", options->referrers,
                 "List what refers to the image: signatures, SBOMs and the like");
    command.option("--format", options->format, "Format output: json");
    command.arguments("NAME", 1, 1, Completes::images);
    command.action([options](Session& session, const auto& names) {
        return list_tags(session, *options, names.front());
    });
    return command;
}

}  // namespace hako::cli
