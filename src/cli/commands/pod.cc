// hako pod: several containers in one VM. A pod is a container that does nothing, whose VM,
// network, IPC and host name the others share; labels tell who belongs to it.
#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/commands/each.h"
#include "cli/creation.h"
#include "cli/output/listing.h"

namespace hako::cli {
namespace {

constexpr const char* kPodImage = "hako/hello";
constexpr const char* kSandboxLabel = "io.hako.pod.sandbox";  // on the pod's own container
constexpr const char* kPodLabel = "io.hako.pod";              // on the others: that one's id

struct Pod {
    std::string id, name, state;
    std::vector<Json> members;  // as GET /containers/json shows them, oldest first

    bool running() const { return state == "running"; }
};

std::string name_of(const Json& summary) {
    return summary.at("Names").at(0).get<std::string>().substr(1);
}

Result<std::vector<Json>> list_labelled(const Api& api, const std::string& label) {
    http::Query query;
    query.add("all", "1");
    query.add("filters", dump_json({{"label", {label}}}));
    HAKO_TRY(auto found, api.get("/containers/json", query));
    std::vector<Json> list(found.begin(), found.end());
    std::ranges::reverse(list);
    return list;
}

Result<Pod> pod_of(const Api& api, const Json& sandbox) {
    Pod pod{sandbox.at("Id"), name_of(sandbox), sandbox.at("State"), {}};
    HAKO_TRY(pod.members, list_labelled(api, fmt::format("{}={}", kPodLabel, pod.id)));
    return pod;
}

Result<Pod> find_pod(const Api& api, const std::string& name) {
    HAKO_TRY(const auto details, api.get(fmt::format("/containers/{}/json", name)));
    if (!details.at("Config").at("Labels").contains(kSandboxLabel))
        return fail(ErrorKind::invalid, "{} is a container, no pod: hako pod ls lists the pods",
                    name);
    return pod_of(api, {{"Id", details.at("Id")},
                        {"Names", {details.at("Name")}},
                        {"State", details.at("State").at("Status")}});
}

Result<int> create_pod(Session& session, ContainerFlags& flags, const std::string& name) {
    flags.name = name;
    HAKO_TRY(auto body, flags.body({kPodImage, "sleep", "infinity"}));
    body["Labels"][kSandboxLabel] = "true";
    body["HostConfig"]["Init"] = true;
    if (!body.contains("Hostname")) body["Hostname"] = name;
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto id, create_container(session, *api, flags, body));
    HAKO_CHECK(start_container(*api, id));
    session.io.print_line(id);
    return 0;
}

Result<int> add(Session& session, const ContainerFlags& flags,
                const std::vector<std::string>& arguments) {
    HAKO_TRY(auto body, flags.body({arguments.begin() + 1, arguments.end()}));
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const Pod pod, find_pod(*api, arguments.front()));
    body["Labels"][kPodLabel] = pod.id;
    for (const char* mode : {"NetworkMode", "IpcMode", "UTSMode"})
        if (!body["HostConfig"].contains(mode)) body["HostConfig"][mode] = "container:" + pod.id;
    HAKO_TRY(const auto id, create_container(session, *api, flags, body));
    if (pod.running()) HAKO_CHECK(start_container(*api, id));
    else
        session.io.complain(
            fmt::format("the pod {} does not run: hako pod start starts both", pod.name));
    session.io.print_line(id);
    return 0;
}

Result<int> list_pods(Session& session, bool quiet, const std::string& format) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto sandboxes, list_labelled(*api, kSandboxLabel));
    std::vector<ListedItem> items;
    for (const auto& sandbox : sandboxes) {
        HAKO_TRY(const Pod pod, pod_of(*api, sandbox));
        std::string names;
        for (const auto& member : pod.members)
            names += (names.empty() ? "" : ",") + name_of(member);
        items.push_back({{{"ID", pod.id.substr(0, 12)},
                          {"Name", pod.name},
                          {"Status", sandbox.at("Status")},
                          {"Containers", std::to_string(pod.members.size())},
                          {"Names", names}},
                         {}});
    }
    const ListingStyle style{
        {{"ID", "POD ID"}, {"Name", "NAME"}, {"Status", "STATUS"}, {"Containers", "CONTAINERS"}},
        {{"Names", "NAMES"}},
        "ID"};
    HAKO_TRY(const auto text, format_listing(items, style, format, quiet));
    session.io.print(text);
    return 0;
}

Result<int> inspect_pods(Session& session, const std::vector<std::string>& names) {
    HAKO_TRY(const auto* api, session.api());
    Json all = Json::array();
    for (const auto& name : names) {
        HAKO_TRY(const Pod pod, find_pod(*api, name));
        HAKO_TRY(const auto details, api->get(fmt::format("/containers/{}/json", pod.id)));
        Json containers = Json::array();
        for (const auto& member : pod.members)
            containers.push_back({{"Id", member.at("Id")},
                                  {"Name", name_of(member)},
                                  {"Image", member.at("Image")},
                                  {"State", member.at("State")}});
        all.push_back({{"Id", pod.id},
                       {"Name", pod.name},
                       {"Created", details.at("Created")},
                       {"State", pod.state},
                       {"Hostname", details.at("Config").at("Hostname")},
                       {"Memory", details.at("HostConfig").at("Memory")},
                       {"NanoCpus", details.at("HostConfig").at("NanoCpus")},
                       {"Containers", std::move(containers)}});
    }
    session.io.print_line(all.dump(4));
    return 0;
}

// One that is in the wanted state already is fine.
Result<void> post_verb(const Api& api, const Json& id, std::string_view verb,
                       const http::Query& query = {}) {
    const auto done =
        api.post(fmt::format("/containers/{}/{}", id.get<std::string>(), verb), query);
    if (!done && done.error().kind() != ErrorKind::not_modified) return fail(done.error());
    return {};
}

Result<std::string> start_pod(const Api& api, const std::string& name) {
    HAKO_TRY(const Pod pod, find_pod(api, name));
    HAKO_CHECK(post_verb(api, pod.id, "start"));
    for (const auto& member : pod.members) HAKO_CHECK(post_verb(api, member.at("Id"), "start"));
    return name;
}

// The youngest first: it may need the others.
Result<void> stop_all(const Api& api, const Pod& pod, const std::optional<std::int64_t>& timeout) {
    http::Query query;
    if (timeout) query.add("t", std::to_string(*timeout));
    for (auto member = pod.members.rbegin(); member != pod.members.rend(); ++member)
        HAKO_CHECK(post_verb(api, member->at("Id"), "stop", query));
    return post_verb(api, pod.id, "stop", query);
}

Result<std::string> remove(const Api& api, const std::string& name, bool force) {
    HAKO_TRY(const Pod pod, find_pod(api, name));
    if (!force && pod.running())
        return fail(ErrorKind::conflict,
                    "the pod {} is running: stop it before, or remove it with --force", pod.name);
    http::Query query;
    if (force) query.add("force", "1");
    query.add("v", "1");
    for (auto member = pod.members.rbegin(); member != pod.members.rend(); ++member)
        HAKO_CHECK(
            api.remove(fmt::format("/containers/{}", member->at("Id").get<std::string>()), query));
    HAKO_CHECK(api.remove(fmt::format("/containers/{}", pod.id), query));
    return name;
}

Command create_pod_command() {
    auto flags = std::make_shared<ContainerFlags>();
    Command command("create",
                    "Create a pod and start its VM; the flags are its limits and network");
    flags->declare(command);
    command.arguments("NAME", 1, 1);
    command.action([flags](Session& session, const auto& names) {
        return create_pod(session, *flags, names.front());
    });
    return command;
}

Command add_command() {
    auto flags = std::make_shared<ContainerFlags>();
    Command command("add", "Create a container in a pod, and start it if the pod runs");
    flags->declare(command);
    command.arguments("POD IMAGE [COMMAND] [ARG...]", 2);
    command.stop_at_first_argument();
    command.action([flags](Session& session, const auto& arguments) {
        return add(session, *flags, arguments);
    });
    return command;
}

Command list_pods_command() {
    struct Options {
        bool quiet = false;
        std::string format;
    };
    auto options = std::make_shared<Options>();
    Command command("ls", "List pods");
    command.flag("-q,--quiet", options->quiet, "Only display pod IDs");
    command.option("--format", options->format, "Format output using a Go template or json");
    command.arguments("", 0, 0);
    command.action([options](Session& session, const auto&) {
        return list_pods(session, options->quiet, options->format);
    });
    return command;
}

Command stop_pod_command() {
    auto timeout = std::make_shared<std::optional<std::int64_t>>();
    Command command("stop", "Stop the containers of pods, then their VMs");
    command.option("-t,--timeout", *timeout, "Seconds to wait before killing a container");
    command.arguments("POD [POD...]", 1, kUnlimited, Completes::running_containers);
    command.action([timeout](Session& session, const auto& names) {
        return for_each_argument(
            session, names, [&](const Api& api, const std::string& name) -> Result<std::string> {
                HAKO_TRY(const Pod pod, find_pod(api, name));
                HAKO_CHECK(stop_all(api, pod, *timeout));
                return name;
            });
    });
    return command;
}

}  // namespace

Command pod_command() {
    Command group("pod", "Manage pods: several containers in one VM");
    group.add(create_pod_command());
    group.add(add_command());
    group.add(list_pods_command());
    {
        Command command("inspect", "Display pods and their containers as JSON");
        command.arguments("POD [POD...]", 1, kUnlimited, Completes::containers);
        command.action(inspect_pods);
        group.add(std::move(command));
    }
    {
        Command command("start", "Start pods and their containers");
        command.arguments("POD [POD...]", 1, kUnlimited, Completes::containers);
        command.action([](Session& session, const auto& names) {
            return for_each_argument(session, names, start_pod);
        });
        group.add(std::move(command));
    }
    group.add(stop_pod_command());
    {
        auto force = std::make_shared<bool>(false);
        Command command("rm", "Remove pods with their containers");
        command.flag("-f,--force", *force, "Kill what runs in them");
        command.arguments("POD [POD...]", 1, kUnlimited, Completes::containers);
        command.action([force](Session& session, const auto& names) {
            return for_each_argument(session, names, [&](const Api& api, const std::string& name) {
                return remove(api, name, *force);
            });
        });
        group.add(std::move(command));
    }
    return group;
}

}  // namespace hako::cli
