// hako tag, rmi and image prune
#include "cli/commands/commands.h"
#include "cli/commands/each.h"
#include "cli/commands/filters.h"
#include "cli/output/text.h"
#include "cli/pull.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct RemoveOptions {
    bool force = false, keep_parents = false;
    std::string platform;
};

// "Untagged: app:1", a line for each change.
Result<std::string> describe_changes(const Json& list) {
    std::string lines;
    for (const auto& change : list) {
        for (const char* what : {"Untagged", "Deleted"}) {
            HAKO_TRY(const auto subject, json_field<std::string>(change, what));
            if (subject)
                lines += fmt::format("{}{}: {}", lines.empty() ? "" : "\n", what, *subject);
        }
    }
    return lines;
}

Result<std::string> remove_image(const Api& api, const std::string& name,
                                 const RemoveOptions& options) {
    http::Query query;
    if (options.force) query.add("force", "1");
    if (options.keep_parents) query.add("noprune", "1");
    if (!options.platform.empty()) query.add("platforms", options.platform);
    HAKO_TRY(const auto list, api.remove(fmt::format("/images/{}", name), query));
    return describe_changes(list);
}

struct PruneOptions {
    bool all = false, force = false;
    std::vector<std::string> filters;
};

Result<int> prune(Session& session, const PruneOptions& options) {
    if (!options.force) {
        const auto what = options.all
                              ? "all images without at least one container associated to them"
                              : "all dangling images";
        HAKO_TRY(const bool confirmed,
                 session.io.confirm(fmt::format("WARNING! This will remove {}.", what)));
        if (!confirmed) return fail(ErrorKind::cancelled, "image prune has been cancelled");
    }
    auto filters = options.filters;
    filters.push_back(options.all ? "dangling=false" : "dangling=true");
    HAKO_TRY(const auto encoded, encode_filters(filters));
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto answer, api->post("/images/prune", {{"filters", encoded}}));
    HAKO_TRY(const auto deleted, json_field_or(answer, "ImagesDeleted", Json::array()));
    HAKO_TRY(const auto reclaimed, json_field_or<std::uint64_t>(answer, "SpaceReclaimed", 0));
    HAKO_TRY(const auto lines, describe_changes(deleted));
    if (!lines.empty()) session.io.print(fmt::format("Deleted Images:\n{}\n\n", lines));
    session.io.print_line("Total reclaimed space: " + format_size(reclaimed));
    return 0;
}

}  // namespace

Command tag_command() {
    Command command("tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE");
    command.arguments("SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", 2, 2, Completes::images);
    command.action([](Session& session, const auto& names) -> Result<int> {
        if (names[1].find('@') != std::string::npos)
            return fail(ErrorKind::invalid, "refusing to create a tag with a digest reference: {}",
                        names[1]);
        const auto target = split_image_name(names[1]);
        HAKO_TRY(const auto* api, session.api());
        HAKO_CHECK(api->post(fmt::format("/images/{}/tag", names[0]),
                             {{"repo", target.name}, {"tag", target.tag}}));
        return 0;
    });
    return command;
}

Command rmi_command(std::string name) {
    auto options = std::make_shared<RemoveOptions>();
    Command command(std::move(name), "Remove one or more images");
    command.flag("-f,--force", options->force, "Force removal of the image");
    command.flag("--no-prune", options->keep_parents, "Do not delete untagged parents");
    command.option("--platform", options->platform, "Remove only the given platform variant");
    command.arguments("IMAGE [IMAGE...]", 1, kUnlimited, Completes::images);
    command.action([options](Session& session, const auto& names) {
        return for_each_argument(session, names, [&](const Api& api, const std::string& image) {
            return remove_image(api, image, *options);
        });
    });
    return command;
}

Command image_prune_command() {
    auto options = std::make_shared<PruneOptions>();
    Command command("prune", "Remove unused images");
    command.flag("-a,--all", options->all, "Remove all unused images, not just dangling ones");
    command.option("--filter", options->filters,
                   "Only what matches: until=24h, label=KEY[=VALUE], label!=KEY[=VALUE]");
    command.flag("-f,--force", options->force, "Do not prompt for confirmation");
    command.arguments("", 0, 0);
    command.action([options](Session& session, const auto&) { return prune(session, *options); });
    return command;
}

}  // namespace hako::cli
