// hako ps
#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/commands/filters.h"
#include "cli/output/listing.h"
#include "cli/output/text.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct PsOptions {
    bool all = false, quiet = false, full = false, latest = false, size = false;
    std::optional<std::int64_t> last;
    std::string format;
    std::vector<std::string> filters;
};

std::string ports_text(const Json& ports) {
    std::string text;
    for (const auto& port : ports) {
        if (!text.empty()) text += ", ";
        if (port.value("PublicPort", 0) != 0) {
            auto address = port.value("IP", std::string("0.0.0.0"));
            if (address.find(':') != std::string::npos) address = "[" + address + "]";
            text += fmt::format("{}:{}->", address, port.value("PublicPort", 0));
        }
        text += fmt::format("{}/{}", port.value("PrivatePort", 0), port.value("Type", "tcp"));
    }
    return text;
}

std::string joined(const Json& texts) {
    std::string out;
    for (const auto& text : texts) out += (out.empty() ? "" : ",") + text.get<std::string>();
    return out;
}

std::string names_text(const Json& names) {
    std::vector<std::string> bare;
    for (const auto& name : names) {
        auto text = name.get<std::string>();
        if (text.starts_with('/')) text.erase(0, 1);
        // Names with another slash are links' aliases.
        if (text.find('/') == std::string::npos) bare.push_back(std::move(text));
    }
    return joined(bare);
}

std::string mounts_text(const Json& mounts, bool full) {
    constexpr std::size_t kShown = 15;
    std::vector<std::string> names;
    for (const auto& mount : mounts) {
        auto name = mount.value("Name", std::string());
        if (name.empty()) name = mount.value("Source", std::string());
        names.push_back(full ? name : ellipsis(name, kShown));
    }
    return joined(names);
}

Json object_field(const Json& summary, const char* name) {
    const auto found = summary.find(name);
    return found == summary.end() || found->is_null() ? Json::object() : *found;
}

ListedItem describe(const Json& summary, const PsOptions& options) {
    constexpr std::size_t kCommandWidth = 20;
    const auto id = summary.value("Id", std::string());
    const auto created = summary.value("Created", std::int64_t{0});
    const auto labels = object_field(summary, "Labels");
    auto command = summary.value("Command", std::string());
    if (!options.full) command = ellipsis(command, kCommandWidth);
    std::vector<std::string> label_texts;
    for (const auto& [key, value] : labels.items())
        label_texts.push_back(key + "=" + value.get<std::string>());
    std::vector<std::string> networks;
    const auto endpoints = object_field(object_field(summary, "NetworkSettings"), "Networks");
    for (const auto& [name, network] : endpoints.items()) networks.push_back(name);
    auto size = format_size(summary.value("SizeRw", std::uint64_t{0}));
    if (const auto whole = summary.value("SizeRootFs", std::uint64_t{0}); whole > 0)
        size += fmt::format(" (virtual {})", format_size(whole));

    auto image = summary.value("Image", std::string());
    if (image.starts_with("sha256:") && !options.full) image = short_id(image);
    ListedItem item;
    item.fields = {
        {"ID", options.full ? id : short_id(id)},
        {"Image", image},
        {"Command", go_quote(command)},
        {"CreatedAt", go_time(created)},
        {"RunningFor", time_ago(WallTime(std::chrono::seconds(created)), now())},
        {"State", summary.value("State", std::string())},
        {"Status", summary.value("Status", std::string())},
        {"Ports", ports_text(object_field(summary, "Ports"))},
        {"Names", names_text(object_field(summary, "Names"))},
        {"Labels", joined(label_texts)},
        {"Mounts", mounts_text(object_field(summary, "Mounts"), options.full)},
        {"Networks", joined(networks)},
        {"LocalVolumes", std::to_string(local_volumes(summary))},
        {"Size", size},
    };
    item.methods = {{"Label", labels}};
    return item;
}

ListingStyle style(bool size) {
    ListingStyle style;
    style.columns = {{"ID", "CONTAINER ID"},    {"Image", "IMAGE"},   {"Command", "COMMAND"},
                     {"RunningFor", "CREATED"}, {"Status", "STATUS"}, {"Ports", "PORTS"},
                     {"Names", "NAMES"}};
    style.more = {{"CreatedAt", "CREATED AT"},
                  {"State", "STATE"},
                  {"Labels", "LABELS"},
                  {"Mounts", "MOUNTS"},
                  {"Networks", "NETWORKS"},
                  {"Size", "SIZE"},
                  {"LocalVolumes", "LOCAL VOLUMES"}};
    if (size) style.columns.push_back({"Size", "SIZE"});
    style.quiet_field = "ID";
    return style;
}

Result<int> run_ps(Session& session, const PsOptions& options) {
    HAKO_TRY(const auto* api, session.api());
    http::Query query;
    if (options.all || options.latest || options.last.value_or(0) > 0) query.add("all", "1");
    if (options.latest) query.add("limit", "1");
    else if (options.last && *options.last > 0) query.add("limit", std::to_string(*options.last));
    const bool wants_size = options.size || options.format.find(".Size") != std::string::npos;
    if (wants_size) query.add("size", "1");
    HAKO_TRY(const auto filters, encode_filters(options.filters));
    if (!filters.empty()) query.add("filters", filters);
    HAKO_TRY(const auto list, api->get("/containers/json", query));
    std::vector<ListedItem> items;
    for (const auto& summary : list) items.push_back(describe(summary, options));
    HAKO_TRY(const auto text,
             format_listing(items, style(options.size), options.format, options.quiet));
    session.io.print(text);
    return 0;
}

}  // namespace

Command ps_command(std::string name) {
    auto options = std::make_shared<PsOptions>();
    Command command(std::move(name), "List containers");
    command.flag("-a,--all", options->all, "Show all containers (default shows just running)");
    command.option("-f,--filter", options->filters, "Filter output based on conditions provided");
    command.option("--format", options->format,
                   "Format output: table, json, a Go template, or \"table TEMPLATE\"");
    command.option("-n,--last", options->last,
                   "Show n last created containers (includes all states)");
    command.flag("-l,--latest", options->latest,
                 "Show the latest created container (includes all states)");
    command.flag("--no-trunc", options->full, "Don't truncate output");
    command.flag("-q,--quiet", options->quiet, "Only display container IDs");
    command.flag("-s,--size", options->size, "Display total file sizes");
    command.arguments("", 0, 0);
    command.action([options](Session& session, const auto&) { return run_ps(session, *options); });
    return command;
}

}  // namespace hako::cli
