// hako push
#include "cli/commands/commands.h"
#include "cli/credentials/credentials.h"
#include "cli/output/progress.h"
#include "cli/pull.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct PushOptions {
    bool all_tags = false, quiet = false;
    std::string platform;
};

Result<int> push(Session& session, const PushOptions& options, const std::string& image) {
    const auto [name, tag] = split_image_name(image);
    const bool tagged = name.size() < image.size();
    if (options.all_tags && tagged)
        return fail(ErrorKind::invalid, "tag can't be used with --all-tags/-a");
    if (!options.quiet && !options.all_tags && !tagged)
        session.io.print_line("Using default tag: latest");
    http::Query query;
    if (!options.all_tags) query.add("tag", tag);
    if (!options.platform.empty()) query.add("platform", options.platform);
    // Registries always get an answer to who pushes, if only "nobody".
    auto headers = registry_headers(session.io, server_of_image(image));
    if (!headers.has("X-Registry-Auth")) headers.add("X-Registry-Auth", Credentials().to_header());
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto answer,
             api->stream("POST", fmt::format("/images/{}/push", name), query, nullptr, headers));
    HAKO_CHECK(show_progress(
        *answer, options.quiet ? ProgressView::quiet() : ProgressView::on(session.io.out)));
    if (options.quiet)
        session.io.print_line(options.all_tags || tagged ? image : image + ":latest");
    return 0;
}

}  // namespace

Command push_command() {
    auto options = std::make_shared<PushOptions>();
    Command command("push", "Upload an image to a registry");
    command.flag("-a,--all-tags", options->all_tags, "Push all tags of an image to the repository");
    command.flag("-q,--quiet", options->quiet, "Suppress verbose output");
    command.option("--platform", options->platform, "Push only this platform's image");
    command.arguments("NAME[:TAG]", 1, 1, Completes::images);
    command.action([options](Session& session, const auto& names) {
        return push(session, *options, names.front());
    });
    return command;
}

}  // namespace hako::cli
