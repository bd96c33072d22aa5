// hako history
#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/output/listing.h"
#include "cli/output/text.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct HistoryOptions {
    bool human = true, full = false, quiet = false;
    std::string format, platform;
};

ListedItem row(const Json& step, const HistoryOptions& options) {
    constexpr std::size_t kShown = 45;
    const auto id = step.value("Id", std::string());
    const auto created = step.value("Created", std::int64_t{0});
    const auto size = step.value("Size", std::uint64_t{0});
    auto created_by = step.value("CreatedBy", std::string());
    std::ranges::replace(created_by, '\t', ' ');
    const bool missing = id == "<missing>";
    const auto since = created == 0 ? std::string("N/A")
                                    : time_ago(WallTime(std::chrono::seconds(created)), now());
    ListedItem item;
    item.fields = {
        {"ID", options.full || missing ? id : short_id(id)},
        {"CreatedSince",
         options.human ? since : format_time(WallTime(std::chrono::seconds(created)))},
        {"CreatedAt", format_time(WallTime(std::chrono::seconds(created)))},
        {"CreatedBy", options.full ? created_by : ellipsis(created_by, kShown)},
        {"Size", options.human ? format_size(size) : std::to_string(size)},
        {"Comment", step.value("Comment", std::string())},
    };
    return item;
}

Result<int> history(Session& session, const HistoryOptions& options, const std::string& image) {
    http::Query query;
    if (!options.platform.empty()) query.add("platform", options.platform);
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto steps, api->get(fmt::format("/images/{}/history", image), query));
    std::vector<ListedItem> rows;
    for (const auto& step : steps) rows.push_back(row(step, options));
    const ListingStyle style{.columns = {{"ID", "IMAGE"},
                                         {"CreatedSince", "CREATED"},
                                         {"CreatedBy", "CREATED BY"},
                                         {"Size", "SIZE"},
                                         {"Comment", "COMMENT"}},
                             .more = {{"CreatedAt", "CREATED AT"}},
                             .quiet_field = "ID"};
    HAKO_TRY(const auto text, format_listing(rows, style, options.format, options.quiet));
    session.io.print(text);
    return 0;
}

}  // namespace

Command history_command() {
    auto options = std::make_shared<HistoryOptions>();
    Command command("history", "Show the history of an image");
    command.option("--format", options->format,
                   "Format output: table, json, a Go template, or \"table TEMPLATE\"");
    command.flag("-H,--human", options->human, "Print sizes and dates in human readable format");
    command.flag("--no-trunc", options->full, "Don't truncate output");
    command.option("--platform", options->platform, "Show history for the given platform");
    command.flag("-q,--quiet", options->quiet, "Only show image IDs");
    command.arguments("IMAGE", 1, 1, Completes::images);
    command.action([options](Session& session, const auto& images) {
        return history(session, *options, images.front());
    });
    return command;
}

}  // namespace hako::cli
