// hako pull, load, save and import
#include <fcntl.h>

#include <filesystem>

#include "base/stream.h"
#include "cli/commands/commands.h"
#include "cli/layout_tar.h"
#include "cli/output/download.h"
#include "cli/output/progress.h"
#include "cli/pull.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct PullOptions {
    bool quiet = false, all_platforms = false;
    std::string platform;
};

Result<int> pull(Session& session, PullOptions options, const std::string& image) {
    if (options.all_platforms && !options.platform.empty())
        return fail(ErrorKind::invalid, "--platform and --all-platforms exclude each other");
    if (!options.all_platforms && options.platform.empty()) options.platform = default_platform();
    const auto [name, tag] = split_image_name(image);
    const bool tagged = name.size() < image.size();
    if (!options.quiet && !tagged) session.io.print_line("Using default tag: latest");
    HAKO_CHECK(pull_image(session, {.image = image,
                                    .platform = options.platform,
                                    .all_platforms = options.all_platforms,
                                    .quiet = options.quiet,
                                    .progress = session.io.out}));
    if (options.quiet) session.io.print_line(tagged ? image : image + ":latest");
    return 0;
}

struct LoadOptions {
    bool quiet = false;
    std::string input, platform;
};

// A file, our standard input, or a folder that is an OCI layout.
Result<std::unique_ptr<Reader>> open_input(const Stdio& io, const std::string& input, Fd& file) {
    std::error_code error;
    if (std::filesystem::is_directory(input, error)) return open_layout(input);
    if (!input.empty()) {
        HAKO_TRY(file, open_file(input, O_RDONLY));
    } else if (io.in_is_terminal()) {
        return fail(
            ErrorKind::invalid,
            "requested load from stdin, but stdin is empty: give a file with -i or pipe it");
    }
    return std::unique_ptr<Reader>(std::make_unique<FdReader>(file ? file.get() : io.in));
}

Result<int> load(Session& session, const LoadOptions& options) {
    Fd file;
    HAKO_TRY(const auto input, open_input(session.io, options.input, file));
    http::Query query{{"quiet", options.quiet ? "1" : "0"}};
    if (!options.platform.empty()) query.add("platform", options.platform);
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto answer, api->stream("POST", "/images/load", query, input.get()));
    HAKO_CHECK(show_progress(*answer, ProgressView::on(session.io.out)));
    return 0;
}

struct SaveOptions {
    std::string output, platform, format;
};

Result<int> save(Session& session, const SaveOptions& options,
                 const std::vector<std::string>& names) {
    HAKO_CHECK(check_output(session.io, options.output));
    http::Query query;
    for (const auto& name : names) query.add("names", name);
    if (!options.platform.empty()) query.add("platform", options.platform);
    // docker's daemon knows one form only, and need not be asked for it.
    if (options.format == "oci" || options.format == "oci-archive") query.add("format", "oci");
    else if (!options.format.empty() && options.format != "docker" &&
             options.format != "docker-archive")
        return fail(ErrorKind::invalid, "--format is docker or oci, not \"{}\"", options.format);
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto answer, api->stream("GET", "/images/get", query));
    HAKO_CHECK(download(*answer, session.io, options.output));
    return 0;
}

struct ImportOptions {
    std::vector<std::string> changes;
    std::string message, platform;
};

Result<int> import_image(Session& session, const ImportOptions& options,
                         const std::vector<std::string>& arguments) {
    Fd file;
    const bool piped = arguments.front() == "-";
    if (!piped) {
        if (arguments.front().find("://") != std::string::npos)
            return fail(ErrorKind::unimplemented,
                        "hako does not download archives: curl -L {} | hako import - NAME",
                        arguments.front());
        HAKO_TRY(file, open_file(arguments.front(), O_RDONLY));
    }
    http::Query query{{"fromSrc", "-"}};
    if (arguments.size() > 1) {
        const auto [name, tag] = split_image_name(arguments[1]);
        query.add("repo", name);
        query.add("tag", tag);
    }
    for (const auto& change : options.changes) query.add("changes", change);
    if (!options.message.empty()) query.add("message", options.message);
    if (!options.platform.empty()) query.add("platform", options.platform);
    HAKO_TRY(const auto* api, session.api());
    FdReader reader(piped ? session.io.in : file.get());
    HAKO_TRY(const auto answer, api->stream("POST", "/images/create", query, &reader));
    HAKO_CHECK(show_progress(*answer, ProgressView::on(session.io.out)));
    return 0;
}

}  // namespace

Command pull_command() {
    auto options = std::make_shared<PullOptions>();
    Command command("pull", "Download an image from a registry");
    command.flag("--all-platforms", options->all_platforms,
                 "Download the image for every platform that is offered");
    command.option("--platform", options->platform, "Set platform if the image has several");
    command.flag("-q,--quiet", options->quiet, "Suppress verbose output");
    command.arguments("NAME[:TAG|@DIGEST]", 1, 1, Completes::images);
    command.action([options](Session& session, const auto& names) {
        return pull(session, *options, names.front());
    });
    return command;
}

Command load_command() {
    auto options = std::make_shared<LoadOptions>();
    Command command("load", "Load an image from a tar archive, an OCI layout or STDIN");
    command
        .option("-i,--input", options->input,
                "Read from tar archive or from the folder of an OCI layout, instead of STDIN")
        .completes(Completes::files);
    command.option("--platform", options->platform, "Load only the given platform variant");
    command.flag("-q,--quiet", options->quiet, "Suppress the load output");
    command.arguments("", 0, 0);
    command.action([options](Session& session, const auto&) { return load(session, *options); });
    return command;
}

Command save_command() {
    auto options = std::make_shared<SaveOptions>();
    Command command("save", "Save one or more images to a tar archive (to STDOUT by default)");
    command.option(
        "--format", options->format,
        "docker: for docker load, and an OCI layout at once (default); oci: a layout only");
    command.option("-o,--output", options->output, "Write to a file, instead of STDOUT")
        .completes(Completes::files);
    command.option("--platform", options->platform, "Save only the given platform variant");
    command.arguments("IMAGE [IMAGE...]", 1, kUnlimited, Completes::images);
    command.action(
        [options](Session& session, const auto& names) { return save(session, *options, names); });
    return command;
}

Command import_command() {
    auto options = std::make_shared<ImportOptions>();
    Command command("import", "Import the contents from a tarball to create a filesystem image");
    command.option("-c,--change", options->changes,
                   "Apply Dockerfile instruction to the created image");
    command.option("-m,--message", options->message, "Set commit message for imported image");
    command.option("--platform", options->platform, "Set the platform of the image");
    command.arguments("file|- [REPOSITORY[:TAG]]", 1, 2, Completes::files);
    command.action([options](Session& session, const auto& arguments) {
        return import_image(session, *options, arguments);
    });
    return command;
}

}  // namespace hako::cli
