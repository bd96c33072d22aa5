// hako template: the saved states that virtual machines start from
#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/commands/each.h"
#include "cli/flags/values.h"
#include "cli/output/listing.h"
#include "cli/output/text.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct ListTemplatesOptions {
    bool quiet = false;
    std::string format;
};

struct BuildTemplateOptions {
    std::string kernel, memory, cpus;
};

Result<int> list_templates(Session& session, const ListTemplatesOptions& options) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto templates, api->hako_get("/templates"));
    std::vector<ListedItem> items;
    for (const auto& one : templates) {
        HAKO_TRY(const auto key, json_field_or(one, "Key", std::string()));
        HAKO_TRY(const auto ready, json_field_or(one, "Ready", false));
        HAKO_TRY(const auto size, json_field_or<std::uint64_t>(one, "Size", 0));
        HAKO_TRY(const auto used_at, json_field_or(one, "Used", format_time({})));
        HAKO_TRY(const auto used, parse_time(used_at));
        HAKO_TRY(const auto shape, json_field_or<Json>(one, "Shape", Json::object()));
        HAKO_TRY(const auto memory, json_field_or<std::uint64_t>(shape, "memory_bytes", 0));
        HAKO_TRY(const auto cpus, json_field_or<std::uint64_t>(shape, "cpus", 0));
        HAKO_TRY(const auto cards, json_field_or<std::uint64_t>(shape, "cards", 0));
        items.push_back({{{"Key", key},
                          {"Memory", format_bytes(memory)},
                          {"CPUs", std::to_string(cpus)},
                          {"Cards", std::to_string(cards)},
                          {"Ready", ready ? "*" : ""},
                          {"Used", time_ago(used, now())},
                          {"Size", format_bytes(size)}},
                         {}});
    }
    const ListingStyle style{{{"Key", "KEY"},
                              {"Memory", "MEMORY"},
                              {"CPUs", "CPUS"},
                              {"Cards", "CARDS"},
                              {"Ready", "READY"},
                              {"Used", "USED"},
                              {"Size", "SIZE"}},
                             {},
                             "Key"};
    HAKO_TRY(const auto text, format_listing(items, style, options.format, options.quiet));
    session.io.print(text);
    return 0;
}

Result<int> build_template(Session& session, const BuildTemplateOptions& options) {
    http::Query query;
    if (!options.kernel.empty()) query.add("kernel", options.kernel);
    if (!options.memory.empty()) query.add("memory", options.memory);
    if (!options.cpus.empty()) {
        HAKO_TRY(const auto cpus, parse_cpus(options.cpus));
        query.add("nanocpus", std::to_string(cpus));
    }
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto made, api->hako_call("/templates", query));
    HAKO_TRY(const auto key, json_field_or(made, "Key", std::string()));
    session.io.print_line(key);
    return 0;
}

Result<int> inspect_templates(Session& session, const std::vector<std::string>& keys) {
    HAKO_TRY(const auto* api, session.api());
    Json all = Json::array();
    for (const auto& key : keys) {
        HAKO_TRY(auto one, api->hako_get("/templates/" + key));
        all.push_back(std::move(one));
    }
    session.io.print_line(all.dump(4));
    return 0;
}

}  // namespace

Command template_command() {
    Command group("template", "Manage the saved states that virtual machines start from");
    {
        auto options = std::make_shared<ListTemplatesOptions>();
        Command command("ls", "List templates");
        command.option("--format", options->format,
                       "Format output: table, json, a Go template, or \"table TEMPLATE\"");
        command.flag("-q,--quiet", options->quiet, "Only show keys");
        command.arguments("", 0, 0);
        command.action(
            [options](Session& session, const auto&) { return list_templates(session, *options); });
        group.add(std::move(command));
    }
    {
        auto options = std::make_shared<BuildTemplateOptions>();
        Command command("build", "Make the template of such containers, anew where there is one");
        command.option("--kernel", options->kernel, "Guest kernel (hako kernel ls)")
            .completes(Completes::kernels);
        command.option("-m,--memory", options->memory, "Memory limit of the containers");
        command.option("--cpus", options->cpus, "Number of CPUs of the containers");
        command.arguments("", 0, 0);
        command.action(
            [options](Session& session, const auto&) { return build_template(session, *options); });
        group.add(std::move(command));
    }
    {
        Command command("info", "Show what one or more templates are of, as JSON");
        command.arguments("KEY [KEY...]", 1, kUnlimited);
        command.action(
            [](Session& session, const auto& keys) { return inspect_templates(session, keys); });
        group.add(std::move(command));
    }
    {
        Command command("rm", "Remove one or more templates; the next start of such a VM boots");
        command.arguments("KEY [KEY...]", 1, kUnlimited);
        command.action([](Session& session, const auto& keys) {
            return for_each_argument(
                session, keys, [](const Api& api, const std::string& key) -> Result<std::string> {
                    HAKO_CHECK(api.hako_remove("/templates/" + key));
                    return key;
                });
        });
        group.add(std::move(command));
    }
    return group;
}

}  // namespace hako::cli
