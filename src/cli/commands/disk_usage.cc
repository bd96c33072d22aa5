// hako system df
#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/output/listing.h"
#include "cli/output/text.h"
#include "cli/pull.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct UsageOptions {
    bool verbose = false;
    std::string format;
};

// What one kind of thing takes, and how much of that nothing needs.
struct Usage {
    std::string type;
    std::size_t total = 0, active = 0;
    std::uint64_t size = 0, reclaimable = 0;

    ListedItem row() const {
        auto freed = format_size(reclaimable);
        if (size > 0) freed += fmt::format(" ({}%)", reclaimable * 100 / size);
        ListedItem item;
        item.fields = {{"Type", type},
                       {"TotalCount", std::to_string(total)},
                       {"Active", std::to_string(active)},
                       {"Size", format_size(size)},
                       {"Reclaimable", freed}};
        return item;
    }
};

std::uint64_t number(const Json& object, const char* name) {
    return json_field_or<std::uint64_t>(object, name, 0).value_or(0);
}

const Json& list_of(const Json& usage, const char* name) {
    static const Json none = Json::array();
    const auto found = usage.find(name);
    return found == usage.end() || !found->is_array() ? none : *found;
}

// The part of an image that no other has.
std::uint64_t unique_size(const Json& image) {
    const auto size = number(image, "Size");
    return size - std::min(size, number(image, "SharedSize"));
}

Usage images_usage(const Json& usage) {
    Usage result{.type = "Images", .size = number(usage, "LayersSize")};
    std::uint64_t used = 0;
    for (const auto& image : list_of(usage, "Images")) {
        ++result.total;
        if (number(image, "Containers") == 0) continue;
        ++result.active;
        used += unique_size(image);
    }
    result.reclaimable = result.size - std::min(result.size, used);
    return result;
}

Usage containers_usage(const Json& usage) {
    Usage result{.type = "Containers"};
    for (const auto& container : list_of(usage, "Containers")) {
        const auto size = number(container, "SizeRw");
        const auto state = container.value("State", std::string());
        const bool active = state == "running" || state == "paused" || state == "restarting";
        ++result.total;
        result.active += active ? 1 : 0;
        result.size += size;
        result.reclaimable += active ? 0 : size;
    }
    return result;
}

Usage volumes_usage(const Json& usage) {
    Usage result{.type = "Local Volumes"};
    for (const auto& volume : list_of(usage, "Volumes")) {
        const Json data = volume.value("UsageData", Json::object());
        const bool active = number(data, "RefCount") != 0;
        ++result.total;
        result.active += active ? 1 : 0;
        result.size += number(data, "Size");
        result.reclaimable += active ? 0 : number(data, "Size");
    }
    return result;
}

Result<std::string> summary(const Json& usage, const UsageOptions& options) {
    const std::vector<ListedItem> rows{images_usage(usage).row(), containers_usage(usage).row(),
                                       volumes_usage(usage).row(),
                                       Usage{.type = "Build Cache"}.row()};
    const ListingStyle style{.columns = {{"Type", "TYPE"},
                                         {"TotalCount", "TOTAL"},
                                         {"Active", "ACTIVE"},
                                         {"Size", "SIZE"},
                                         {"Reclaimable", "RECLAIMABLE"}}};
    return format_listing(rows, style, options.format, false);
}

std::string age(const Json& object) {
    const auto created = object.value("Created", std::int64_t{0});
    if (created == 0) return "N/A";
    return time_ago(WallTime(std::chrono::seconds(created)), now());
}

std::string image_table(const Json& usage) {
    std::vector<Row> rows{{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE",
                           "UNIQUE SIZE", "CONTAINERS"}};
    for (const auto& image : list_of(usage, "Images")) {
        const auto names = json_field_or(image, "RepoTags", std::vector<std::string>());
        const bool named = names && !names->empty();
        const auto name = named ? split_image_name(names->front()) : ImageName{"<none>", "<none>"};
        rows.push_back({name.name, name.tag, short_id(image.value("Id", std::string())), age(image),
                        format_size(number(image, "Size")),
                        format_size(number(image, "SharedSize")), format_size(unique_size(image)),
                        std::to_string(number(image, "Containers"))});
    }
    return format_table(rows);
}

std::string container_table(const Json& usage) {
    constexpr std::size_t kShownCommand = 20;
    std::vector<Row> rows{{"CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED",
                           "STATUS", "NAMES"}};
    for (const auto& container : list_of(usage, "Containers")) {
        const auto names = json_field_or(container, "Names", std::vector<std::string>());
        auto name = names && !names->empty() ? names->front() : std::string();
        if (name.starts_with('/')) name.erase(0, 1);
        rows.push_back(
            {short_id(container.value("Id", std::string())),
             container.value("Image", std::string()),
             go_quote(ellipsis(container.value("Command", std::string()), kShownCommand)),
             std::to_string(local_volumes(container)), format_size(number(container, "SizeRw")),
             age(container), container.value("Status", std::string()), name});
    }
    return format_table(rows);
}

std::string volume_table(const Json& usage) {
    std::vector<Row> rows{{"VOLUME NAME", "LINKS", "SIZE"}};
    for (const auto& volume : list_of(usage, "Volumes")) {
        const Json data = volume.value("UsageData", Json::object());
        rows.push_back({volume.value("Name", std::string()),
                        std::to_string(number(data, "RefCount")),
                        format_size(number(data, "Size"))});
    }
    return format_table(rows);
}

Result<int> disk_usage(Session& session, const UsageOptions& options) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto usage, api->get("/system/df"));
    if (!options.verbose) {
        HAKO_TRY(const auto text, summary(usage, options));
        session.io.print(text);
        return 0;
    }
    session.io.print(
        fmt::format("Images space usage:\n\n{}\nContainers space usage:\n\n{}\n"
                    "Local Volumes space usage:\n\n{}\nBuild cache usage: 0B\n",
                    image_table(usage), container_table(usage), volume_table(usage)));
    return 0;
}

}  // namespace

Command disk_usage_command() {
    auto options = std::make_shared<UsageOptions>();
    Command command("df", "Show disk usage");
    command.option("--format", options->format,
                   "Format output: table, json, a Go template, or \"table TEMPLATE\"");
    command.flag("-v,--verbose", options->verbose, "Show detailed information on space usage");
    command.arguments("", 0, 0);
    command.action(
        [options](Session& session, const auto&) { return disk_usage(session, *options); });
    return command;
}

}  // namespace hako::cli
