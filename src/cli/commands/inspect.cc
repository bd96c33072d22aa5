// hako inspect and hako top
#include "cli/commands/commands.h"
#include "cli/commands/macos.h"
#include "cli/output/table.h"
#include "cli/session.h"
#include "cli/template/template.h"

namespace hako::cli {
namespace {

struct InspectOptions {
    std::string format, type;
    bool size = false, machine = false;
};

constexpr int kIndent = 4;
constexpr std::size_t kTopColumn = 20;

// A container, and what the machine in it tells while it runs.
Result<Json> look_up_mac(const Api& api, const std::string& name, const http::Query& query) {
    HAKO_TRY(auto found, api.get(fmt::format("/containers/{}/json", name), query));
    HAKO_TRY(const auto state, json_field_or(found, "State", Json::object()));
    HAKO_TRY(const bool runs, json_field_or(state, "Running", false));
    if (!runs) return found;
    const auto told = run_in_mac(api, name, {"status"});
    if (!told) return found;
    HAKO_TRY(found["Machine"], parse_json(*told));
    return found;
}

// The object with the name: a container, or else an image.
Result<Json> find_object(const Api& api, const InspectOptions& options, const std::string& name) {
    if (options.machine) return api.hako_get(fmt::format("/containers/{}/vm", name));
    http::Query query;
    if (options.size) query.add("size", "1");
    if (options.type == "macos") return look_up_mac(api, name, query);
    if (options.type.empty() || options.type == "container") {
        auto found = api.get(fmt::format("/containers/{}/json", name), query);
        if (found || options.type == "container" || found.error().kind() != ErrorKind::not_found)
            return found;
    }
    if (options.type == "network") return api.get(fmt::format("/networks/{}", name));
    if (options.type == "volume") return api.get(fmt::format("/volumes/{}", name));
    auto found = api.get(fmt::format("/images/{}/json", name));
    if (!found && found.error().kind() == ErrorKind::not_found && options.type.empty()) {
        auto volume = api.get(fmt::format("/volumes/{}", name));
        if (volume) return volume;
        return fail(ErrorKind::not_found, "Error: No such object: {}", name);
    }
    return found;
}

Result<int> inspect_objects(Session& session, const InspectOptions& options,
                            const std::vector<std::string>& names) {
    std::optional<Template> format;
    if (!options.format.empty() && options.format != "json") {
        HAKO_TRY(format, Template::parse(options.format));
    }
    HAKO_TRY(const auto* api, session.api());
    Json found = Json::array();
    std::string failures;
    for (const auto& name : names) {
        auto object = find_object(*api, options, name);
        if (object) found.push_back(*std::move(object));
        else failures += (failures.empty() ? "" : "\n") + object.error().message();
    }
    if (format) {
        for (const auto& object : found) {
            HAKO_TRY(const auto line, format->render(object));
            session.io.print_line(line);
        }
    } else if (options.format == "json") {
        session.io.print_line(dump_json(found));
    } else {
        // As dump_json(): bytes that are no UTF-8 do not end us.
        session.io.print_line(found.dump(kIndent, ' ', false, Json::error_handler_t::replace));
    }
    if (failures.empty()) return 0;
    session.io.complain(failures);
    return 1;
}

Result<int> top(Session& session, const std::vector<std::string>& arguments) {
    HAKO_TRY(const auto* api, session.api());
    http::Query query;
    std::string ps_arguments;
    for (std::size_t i = 1; i < arguments.size(); ++i)
        ps_arguments += (i > 1 ? " " : "") + arguments[i];
    if (!ps_arguments.empty()) query.add("ps_args", ps_arguments);
    HAKO_TRY(const auto answer,
             api->get(fmt::format("/containers/{}/top", arguments.front()), query));
    std::vector<Row> rows;
    HAKO_TRY(auto titles, json_field_or(answer, "Titles", Row()));
    rows.push_back(std::move(titles));
    HAKO_TRY(const auto processes, json_field_or(answer, "Processes", std::vector<Row>()));
    rows.insert(rows.end(), processes.begin(), processes.end());
    session.io.print(format_table(rows, kTopColumn));
    return 0;
}

}  // namespace

Command inspect_command(std::string_view type) {
    auto options = std::make_shared<InspectOptions>();
    options->type = type;
    Command command("inspect",
                    type == "image"       ? "Display detailed information on one or more images"
                    : type == "network"   ? "Display detailed information on one or more networks"
                    : type == "volume"    ? "Display detailed information on one or more volumes"
                    : type == "container" ? "Display detailed information on one or more containers"
                    : type == "macos" ? "Display detailed information on one or more macOS machines"
                                      : "Return low-level information on containers and images");
    command.option("-f,--format", options->format, "Format output: json, or a Go template");
    if (type.empty()) {
        command.option(
            "--type", "string", "Only inspect objects of the type: container, image, volume",
            [options](const std::string& value) -> Result<void> {
                if (value != "container" && value != "image" && value != "volume")
                    return fail(ErrorKind::invalid, "it is not container, image or volume");
                options->type = value;
                return {};
            });
    }
    if (type.empty() || type == "container" || type == "macos") {
        command.flag("-s,--size", options->size, "Display total file sizes of a container");
        command.flag("--vm", options->machine,
                     "Display a running container's virtual machine: QEMU's command line, disks");
    }
    command.arguments(type == "image" ? "IMAGE [IMAGE...]" : "NAME|ID [NAME|ID...]", 1, kUnlimited,
                      type == "image"    ? Completes::images
                      : type == "volume" ? Completes::nothing
                                         : Completes::containers);
    command.action([options](Session& session, const auto& names) {
        return inspect_objects(session, *options, names);
    });
    return command;
}

Command top_command() {
    Command command("top", "Display the running processes of a container");
    command.arguments("CONTAINER [ps OPTIONS]", 1, kUnlimited, Completes::running_containers)
        .stop_at_first_argument();
    command.action(top);
    return command;
}

}  // namespace hako::cli
