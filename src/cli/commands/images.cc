// hako images
#include "cli/commands/commands.h"
#include "cli/commands/filters.h"
#include "cli/output/listing.h"
#include "cli/output/text.h"
#include "cli/pull.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct ImageListOptions {
    bool all = false, digests = false, full = false, platforms = false, quiet = false;
    std::string format;
    std::vector<std::string> filters;
};

constexpr std::string_view kNone = "<none>";

std::vector<std::string> texts(const Json& image, const char* name) {
    const auto list = json_field_or(image, name, std::vector<std::string>());
    return list ? *list : std::vector<std::string>();
}

// Of the one manifest that an image of ours has; docker's daemon may name several or none.
std::string platform_of(const Json& image) {
    std::string text;
    for (const auto& manifest : image.value("Manifests", Json::array())) {
        const auto platform = manifest.value("/ImageData/Platform"_json_pointer, Json::object());
        if (!text.empty()) text += ",";
        text += platform.value("os", "") + "/" + platform.value("architecture", "");
        if (const auto variant = platform.value("variant", ""); !variant.empty())
            text += "/" + variant;
    }
    return text.empty() ? "N/A" : text;
}

ListedItem row(const Json& image, const ImageListOptions& options, const std::string& repository,
               const std::string& tag, const std::string& digest) {
    const auto id = image.value("Id", std::string());
    const auto created = image.value("Created", std::int64_t{0});
    const auto containers = image.value("Containers", std::int64_t{-1});
    ListedItem item;
    item.fields = {
        {"Repository", repository},
        {"Tag", tag},
        {"Digest", digest},
        {"Platform", platform_of(image)},
        {"ID", options.full ? id : short_id(id)},
        {"CreatedSince",
         created == 0 ? "N/A" : time_ago(WallTime(std::chrono::seconds(created)), now())},
        {"CreatedAt", go_time(created)},
        {"Size", format_size(image.value("Size", std::uint64_t{0}))},
        {"VirtualSize", format_size(image.value("Size", std::uint64_t{0}))},
        {"Containers", containers < 0 ? "N/A" : std::to_string(containers)},
        {"SharedSize", "N/A"},
        {"UniqueSize", "N/A"},
    };
    return item;
}

// The digest that the repository knows the image by.
std::string digest_for(const std::vector<std::string>& digests, std::string_view repository) {
    for (const auto& digest : digests) {
        const auto [name, value] = split_image_name(digest);
        if (name == repository) return value;
    }
    return std::string(kNone);
}

// One row for each tag; an image without one has a row for each digest, or one of <none>.
void describe(const Json& image, const ImageListOptions& options, std::vector<ListedItem>& rows) {
    const auto digests = texts(image, "RepoDigests");
    const std::string none(kNone);
    bool shown = false;
    for (const auto& text : texts(image, "RepoTags")) {
        const auto [repository, tag] = split_image_name(text);
        if (repository == kNone) continue;
        rows.push_back(row(image, options, repository, tag, digest_for(digests, repository)));
        shown = true;
    }
    if (shown) return;
    for (const auto& text : digests) {
        const auto [repository, digest] = split_image_name(text);
        if (repository == kNone) continue;
        rows.push_back(row(image, options, repository, none, digest));
        shown = true;
    }
    if (!shown) rows.push_back(row(image, options, none, none, none));
}

ListingStyle style(const ImageListOptions& options) {
    ListingStyle style;
    style.columns = {{"Repository", "REPOSITORY"}, {"Tag", "TAG"}};
    (options.digests ? style.columns : style.more).push_back({"Digest", "DIGEST"});
    (options.platforms ? style.columns : style.more).push_back({"Platform", "PLATFORM"});
    style.columns.push_back({"ID", "IMAGE ID"});
    style.columns.push_back({"CreatedSince", "CREATED"});
    style.columns.push_back({"Size", "SIZE"});
    for (auto [field, heading] : {std::pair{"CreatedAt", "CREATED AT"},
                                  {"VirtualSize", "SIZE"},
                                  {"Containers", "CONTAINERS"},
                                  {"SharedSize", "SHARED SIZE"},
                                  {"UniqueSize", "UNIQUE SIZE"}})
        style.more.push_back({field, heading});
    style.quiet_field = "ID";
    return style;
}

Result<int> images(Session& session, const ImageListOptions& options,
                   const std::vector<std::string>& arguments) {
    auto wanted = options.filters;
    if (!arguments.empty()) wanted.push_back("reference=" + arguments.front());
    HAKO_TRY(const auto filters, encode_filters(wanted));
    http::Query query;
    if (options.all) query.add("all", "1");
    if (!filters.empty()) query.add("filters", filters);
    query.add("manifests", "1");
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto list, api->get("/images/json", query));
    std::vector<ListedItem> rows;
    for (const auto& image : list) describe(image, options, rows);
    HAKO_TRY(const auto text, format_listing(rows, style(options), options.format, options.quiet));
    session.io.print(text);
    return 0;
}

}  // namespace

Command images_command(std::string name) {
    auto options = std::make_shared<ImageListOptions>();
    Command command(std::move(name), "List images");
    command.flag("-a,--all", options->all, "Show all images (default hides intermediate images)");
    command.flag("--digests", options->digests, "Show digests");
    command.option("-f,--filter", options->filters, "Filter output based on conditions provided");
    command.option("--format", options->format,
                   "Format output: table, json, a Go template, or \"table TEMPLATE\"");
    command.flag("--no-trunc", options->full, "Don't truncate output");
    command.flag("--platforms", options->platforms, "Show platforms");
    command.flag("-q,--quiet", options->quiet, "Only show image IDs");
    command.arguments("[REPOSITORY[:TAG]]", 0, 1, Completes::images);
    command.action([options](Session& session, const auto& arguments) {
        return images(session, *options, arguments);
    });
    return command;
}

}  // namespace hako::cli
