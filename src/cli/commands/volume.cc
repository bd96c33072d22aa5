// hako volume
#include "cli/commands/commands.h"
#include "cli/commands/each.h"
#include "cli/commands/filters.h"
#include "cli/commands/prune.h"
#include "cli/flags/values.h"
#include "cli/output/listing.h"
#include "cli/output/text.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct CreateVolumeOptions {
    std::string driver = "local", name;
    std::vector<std::string> labels, options;
};

Result<int> create_volume(Session& session, const CreateVolumeOptions& options,
                          const std::vector<std::string>& names) {
    if (!names.empty() && !options.name.empty())
        return fail(ErrorKind::invalid, "give the name once: as an argument or by --name");
    HAKO_TRY(auto driver_options, parse_pairs(options.options));
    HAKO_TRY(auto labels, parse_pairs(options.labels));
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto made, api->post("/volumes/create", {},
                                        {{"Name", names.empty() ? options.name : names.front()},
                                         {"Driver", options.driver},
                                         {"DriverOpts", driver_options},
                                         {"Labels", labels}}));
    session.io.print_line(made.value("Name", std::string()));
    return 0;
}

struct ListVolumesOptions {
    std::string format;
    bool quiet = false;
    std::vector<std::string> filters;
};

Result<int> list_volumes(Session& session, const ListVolumesOptions& options) {
    HAKO_TRY(const auto encoded, encode_filters(options.filters));
    http::Query query;
    if (!encoded.empty()) query.add("filters", encoded);
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto answer, api->get("/volumes", query));
    HAKO_TRY(const auto volumes, json_field_or(answer, "Volumes", Json::array()));
    std::vector<ListedItem> items;
    for (const auto& volume : volumes) {
        HAKO_TRY(const auto labels, json_field_or(volume, "Labels", Json::object()));
        std::string texts;
        for (const auto& [key, value] : labels.items())
            texts +=
                fmt::format("{}{}={}", texts.empty() ? "" : ",", key, value.get<std::string>());
        items.push_back({{{"Name", volume.value("Name", std::string())},
                          {"Driver", volume.value("Driver", std::string())},
                          {"Scope", volume.value("Scope", std::string())},
                          {"Mountpoint", volume.value("Mountpoint", std::string())},
                          {"Labels", texts}},
                         {{"Label", labels}}});
    }
    const ListingStyle style{
        {{"Driver", "DRIVER"}, {"Name", "VOLUME NAME"}},
        {{"Scope", "SCOPE"}, {"Mountpoint", "MOUNTPOINT"}, {"Labels", "LABELS"}},
        "Name"};
    HAKO_TRY(const auto text, format_listing(items, style, options.format, options.quiet));
    session.io.print(text);
    return 0;
}

Command create_volume_command() {
    auto options = std::make_shared<CreateVolumeOptions>();
    Command command("create", "Create a volume");
    command.option("-d,--driver", options->driver,
                   "local: a folder, for many containers at once; block: a disk for one");
    command.option("--label", options->labels, "Set metadata for a volume");
    command.option("--name", options->name, "Its name, as the argument");
    command.option("-o,--opt", options->options,
                   "Driver options: size=10g of block; type=none, o=bind, device=FOLDER of local");
    command.arguments("[VOLUME]", 0, 1);
    command.action([options](Session& session, const auto& names) {
        return create_volume(session, *options, names);
    });
    return command;
}

Command list_volumes_command(std::string name) {
    auto options = std::make_shared<ListVolumesOptions>();
    Command command(std::move(name), "List volumes");
    command.option("-f,--filter", options->filters,
                   "Filter output: dangling=, driver=, label=, name=");
    command.option("--format", options->format,
                   "Format output: table, json, a Go template, or \"table TEMPLATE\"");
    command.flag("-q,--quiet", options->quiet, "Only show names");
    command.arguments("", 0, 0);
    command.action(
        [options](Session& session, const auto&) { return list_volumes(session, *options); });
    return command;
}

Command remove_volumes_command(std::string name) {
    auto force = std::make_shared<bool>(false);
    Command command(std::move(name), "Remove one or more volumes");
    command.flag("-f,--force", *force, "It is no error that one is not there");
    command.arguments("VOLUME [VOLUME...]", 1, kUnlimited);
    command.action([force](Session& session, const auto& names) {
        return for_each_argument(
            session, names,
            [force](const Api& api, const std::string& volume) -> Result<std::string> {
                http::Query query;
                if (*force) query.add("force", "1");
                HAKO_CHECK(api.remove("/volumes/" + volume, query));
                return volume;
            });
    });
    return command;
}

}  // namespace

Command volume_command() {
    Command group("volume", "Manage volumes");
    group.add(create_volume_command());
    group.add(inspect_command("volume"));
    group.add(list_volumes_command("ls"));
    group.add(std::move(list_volumes_command("list").hidden()));
    group.add(prune_command({.noun = "volume",
                             .title = "Volumes",
                             .summary = "Remove unused anonymous volumes",
                             .filters = "label=, label!=",
                             .unused = "anonymous local volumes not used by at least one container",
                             .all_unused = "all volumes not used by at least one container",
                             .all_summary = "Remove all unused volumes, those with a name, too",
                             .all_filter = "all=true"}));
    group.add(remove_volumes_command("rm"));
    group.add(std::move(remove_volumes_command("remove").hidden()));
    return group;
}

}  // namespace hako::cli
