// hako tag, rmi and image prune
#include "cli/commands/commands.h"
#include "cli/commands/each.h"
#include "cli/commands/prune.h"
#include "cli/pull.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct RemoveImagesOptions {
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
                                 const RemoveImagesOptions& options) {
    http::Query query;
    if (options.force) query.add("force", "1");
    if (options.keep_parents) query.add("noprune", "1");
    if (!options.platform.empty()) query.add("platforms", options.platform);
    HAKO_TRY(const auto list, api.remove(fmt::format("/images/{}", name), query));
    return describe_changes(list);
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
    auto options = std::make_shared<RemoveImagesOptions>();
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
    return prune_command(
        {.noun = "image",
         .title = "Images",
         .summary = "Remove unused images",
         .filters = "Only what matches: until=24h, label=KEY[=VALUE], label!=KEY[=VALUE]",
         .unused = "all dangling images",
         .all_unused = "all images without at least one container associated to them",
         .all_summary = "Remove all unused images, not just dangling ones",
         .all_filter = "dangling=false",
         .not_all_filter = "dangling=true",
         .describe = describe_changes});
}

}  // namespace hako::cli
