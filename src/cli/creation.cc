#include "cli/creation.h"

#include <filesystem>

#include "cli/pull.h"

namespace hako::cli {
namespace {

Result<void> write_id_file(const std::string& path, const std::string& id) {
    if (path.empty()) return {};
    return write_file(path, id);
}

// What the daemon says of a process that cannot run decides the exit status, as it does for docker.
Error start_error(Error error) {
    const auto says = [&](std::string_view words) {
        return error.message().find(words) != std::string::npos;
    };
    if (says("executable file not found") || says("no such file or directory"))
        return {ErrorKind::exec_not_found, error.message()};
    if (says("permission denied") || says("is a directory"))
        return {ErrorKind::exec_failed, error.message()};
    return error;
}

}  // namespace

Result<std::string> create_container(Session& session, const Api& api, const ContainerFlags& flags,
                                     const Json& body) {
    if (!flags.cidfile.empty() && std::filesystem::exists(flags.cidfile))
        return fail(ErrorKind::conflict,
                    "container ID file found, make sure the other container isn't running or "
                    "delete {}",
                    flags.cidfile);
    const auto image = body["Image"].get<std::string>();
    // Docker's words for the progress go to stderr: stdout is the container's.
    const PullRequest pull{.image = image,
                           .platform = flags.platform,
                           .quiet = flags.quiet,
                           .progress = session.io.err};
    if (flags.pull == "always") HAKO_CHECK(pull_image(session, pull));
    http::Query query;
    if (!flags.name.empty()) query.add("name", flags.name);
    if (!flags.platform.empty()) query.add("platform", flags.platform);
    auto created = api.post("/containers/create", query, body);
    const auto says = [&](const char* words) {
        return created.error().message().find(words) != std::string::npos;
    };
    const bool missing = !created && created.error().kind() == ErrorKind::not_found &&
                         (says("No such image") || says("does not provide"));
    if (missing && flags.pull == "missing") {
        if (!flags.quiet)
            session.io.complain(fmt::format("Unable to find image '{}' locally", image));
        HAKO_CHECK(pull_image(session, pull));
        created = api.post("/containers/create", query, body);
    }
    if (!created) return fail(std::move(created.error()));
    HAKO_TRY(const auto warnings, json_field_or(*created, "Warnings", std::vector<std::string>()));
    for (const auto& warning : warnings) session.io.complain("WARNING: " + warning);
    HAKO_TRY(auto id, json_field_or(*created, "Id", std::string()));
    HAKO_CHECK(write_id_file(flags.cidfile, id));
    return id;
}

Result<void> start_container(const Api& api, const std::string& id) {
    auto started = api.post(fmt::format("/containers/{}/start", id));
    if (!started) return fail(start_error(std::move(started.error())));
    return {};
}

}  // namespace hako::cli
