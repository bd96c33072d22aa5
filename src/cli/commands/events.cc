// hako events
#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/commands/filters.h"
#include "cli/flags/moment.h"
#include "cli/session.h"
#include "cli/template/template.h"

namespace hako::cli {
namespace {

struct EventOptions {
    std::string format, since, until;
    std::vector<std::string> filters;
};

// "2026-11-22T09:30:00.000000001Z container start 0123… (image=busybox, name=box)"
Result<std::string> describe(const Json& event) {
    HAKO_TRY(const auto actor, json_field_or(event, "Actor", Json::object()));
    HAKO_TRY(const auto attributes,
             (json_field_or<std::map<std::string, std::string>>(actor, "Attributes", {})));
    HAKO_TRY(const auto id, json_field_or<std::string>(actor, "ID", ""));
    HAKO_TRY(const auto type, json_field_or<std::string>(event, "Type", ""));
    HAKO_TRY(const auto action, json_field_or<std::string>(event, "Action", ""));
    HAKO_TRY(const auto time, json_field_or<std::int64_t>(event, "timeNano", 0));
    std::string line = fmt::format(
        "{} {} {} {}", format_time(WallTime(std::chrono::nanoseconds(time))), type, action, id);
    std::vector<std::string> pairs;
    for (const auto& [name, value] : attributes) pairs.push_back(name + "=" + value);
    if (!pairs.empty()) line += fmt::format(" ({})", fmt::join(pairs, ", "));
    return line;
}

Result<int> events(Session& session, const EventOptions& options) {
    std::optional<Template> format;
    if (!options.format.empty() && options.format != "json") {
        HAKO_TRY(format, Template::parse(options.format));
    }
    http::Query query;
    for (const auto& [name, text] :
         {std::pair("since", &options.since), std::pair("until", &options.until)}) {
        if (text->empty()) continue;
        HAKO_TRY(const auto moment, parse_moment(*text));
        query.add(name, moment);
    }
    HAKO_TRY(const auto filters, encode_filters(options.filters));
    if (!filters.empty()) query.add("filters", filters);
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto stream, api->stream("GET", "/events", query));
    while (true) {
        HAKO_TRY(const auto line, stream->next_line());
        if (!line) return 0;
        if (line->empty()) continue;
        HAKO_TRY(const auto event, parse_json(*line));
        if (options.format == "json") {
            session.io.print_line(*line);
            continue;
        }
        HAKO_TRY(const auto text, format ? format->render(event) : describe(event));
        session.io.print_line(text);
    }
}

}  // namespace

Command events_command() {
    auto options = std::make_shared<EventOptions>();
    Command command("events", "Get real time events from the server");
    command.option("-f,--filter", options->filters, "Filter output based on conditions provided");
    command.option("--format", options->format, "Format output: json, or a Go template");
    command.option("--since", options->since, "Show all events created since a time or span");
    command.option("--until", options->until, "Stream events until a time or span");
    command.action([options](Session& session, const auto&) { return events(session, *options); });
    return command;
}

}  // namespace hako::cli
