// hako pull, load, tag and rmi
#include <fcntl.h>

#include "base/stream.h"
#include "cli/commands/commands.h"
#include "cli/commands/each.h"
#include "cli/output/progress.h"
#include "cli/pull.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct PullOptions {
    bool quiet = false;
    std::string platform;
};

struct LoadOptions {
    bool quiet = false;
    std::string input, platform;
};

Result<int> load(Session& session, const LoadOptions& options) {
    Fd file;
    if (!options.input.empty()) {
        HAKO_TRY(file, open_file(options.input, O_RDONLY));
    } else if (session.io.in_is_terminal()) {
        return fail(
            ErrorKind::invalid,
            "requested load from stdin, but stdin is empty: give a file with -i or pipe it");
    }
    http::Query query{{"quiet", options.quiet ? "1" : "0"}};
    if (!options.platform.empty()) query.add("platform", options.platform);
    HAKO_TRY(const auto* api, session.api());
    FdReader reader(file ? file.get() : session.io.in);
    HAKO_TRY(const auto answer, api->stream("POST", "/images/load", query, &reader));
    HAKO_CHECK(show_progress(*answer, ProgressView::on(session.io.out)));
    return 0;
}

struct RemoveOptions {
    bool force = false, keep_parents = false;
};

Result<std::string> remove_image(const Api& api, const std::string& name,
                                 const RemoveOptions& options) {
    http::Query query;
    if (options.force) query.add("force", "1");
    if (options.keep_parents) query.add("noprune", "1");
    HAKO_TRY(const auto list, api.remove(fmt::format("/images/{}", name), query));
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

}  // namespace

Command pull_command() {
    auto options = std::make_shared<PullOptions>();
    Command command("pull", "Download an image from a registry");
    command.flag("-q,--quiet", options->quiet, "Suppress verbose output");
    command.option("--platform", options->platform, "Set platform if the image has several");
    command.arguments("NAME[:TAG|@DIGEST]", 1, 1, Completes::images);
    command.action([options](Session& session, const auto& names) -> Result<int> {
        const auto& image = names.front();
        const auto [name, tag] = split_image_name(image);
        const bool tagged = name.size() < image.size();
        if (!options->quiet && !tagged) session.io.print_line("Using default tag: latest");
        HAKO_TRY(const auto* api, session.api());
        HAKO_CHECK(pull_image(*api, {.image = image,
                                     .platform = options->platform,
                                     .quiet = options->quiet,
                                     .progress = session.io.out}));
        if (options->quiet) session.io.print_line(tagged ? image : image + ":latest");
        return 0;
    });
    return command;
}

Command load_command() {
    auto options = std::make_shared<LoadOptions>();
    Command command("load", "Load an image from a tar archive or STDIN");
    command.option("-i,--input", options->input, "Read from tar archive file, instead of STDIN")
        .completes(Completes::files);
    command.option("--platform", options->platform, "Load only the given platform variant");
    command.flag("-q,--quiet", options->quiet, "Suppress the load output");
    command.arguments("", 0, 0);
    command.action([options](Session& session, const auto&) { return load(session, *options); });
    return command;
}

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
    command.arguments("IMAGE [IMAGE...]", 1, kUnlimited, Completes::images);
    command.action([options](Session& session, const auto& names) {
        return for_each_argument(session, names, [&](const Api& api, const std::string& image) {
            return remove_image(api, image, *options);
        });
    });
    return command;
}

}  // namespace hako::cli
