#include "cli/commands/prune.h"

#include "cli/commands/filters.h"
#include "cli/output/text.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct PruneOptions {
    bool all = false, force = false;
    std::vector<std::string> filters;
};

Result<int> prune(Session& session, const Prunable& kind, const PruneOptions& options) {
    if (!options.force) {
        const auto warning = fmt::format("WARNING! This will remove {}.",
                                         options.all ? kind.all_unused : kind.unused);
        HAKO_TRY(const bool confirmed, session.io.confirm(warning));
        if (!confirmed) return fail(ErrorKind::cancelled, "{} prune has been cancelled", kind.noun);
    }
    auto filters = options.filters;
    const auto implied = options.all ? kind.all_filter : kind.not_all_filter;
    if (!implied.empty()) filters.emplace_back(implied);
    HAKO_TRY(const auto encoded, encode_filters(filters));
    http::Query query;
    if (!encoded.empty()) query.add("filters", encoded);

    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto answer, api->post(fmt::format("/{}s/prune", kind.noun), query));
    const auto list = fmt::format("{}Deleted", kind.title);
    std::string lines;
    if (kind.describe) {
        HAKO_TRY(const auto deleted, json_field_or(answer, list, Json::array()));
        HAKO_TRY(lines, kind.describe(deleted));
    } else {
        HAKO_TRY(const auto names, json_field_or(answer, list, std::vector<std::string>()));
        lines = fmt::format("{}", fmt::join(names, "\n"));
    }
    if (!lines.empty()) session.io.print(fmt::format("Deleted {}:\n{}\n\n", kind.title, lines));
    if (!kind.tells_space) return 0;
    HAKO_TRY(const auto reclaimed, json_field_or<std::uint64_t>(answer, "SpaceReclaimed", 0));
    session.io.print_line("Total reclaimed space: " + format_size(reclaimed));
    return 0;
}

}  // namespace

Command prune_command(Prunable kind) {
    auto options = std::make_shared<PruneOptions>();
    Command command("prune", std::string(kind.summary));
    if (!kind.all_summary.empty())
        command.flag("-a,--all", options->all, std::string(kind.all_summary));
    command.option("--filter", options->filters, std::string(kind.filters));
    command.flag("-f,--force", options->force, "Do not prompt for confirmation");
    command.arguments("", 0, 0);
    command.action([options, kind = std::move(kind)](Session& session, const auto&) {
        return prune(session, kind, *options);
    });
    return command;
}

}  // namespace hako::cli
