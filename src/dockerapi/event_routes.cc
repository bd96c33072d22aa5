// GET /events: one JSON object for each event, for as long as the client listens.
#include <algorithm>
#include <array>

#include "dockerapi/parameters.h"
#include "dockerapi/routes.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

constexpr std::array<std::string_view, 14> kKnown{
    "config", "container", "daemon", "event",  "image",   "label", "network",
    "node",   "plugin",    "scope",  "secret", "service", "type",  "volume"};

// "exec_create: ls" is an exec_create, "health_status: healthy" a health_status.
bool is_action(const engine::Event& event, const std::string& wanted) {
    return event.action == wanted || event.action.starts_with(wanted + ":");
}

std::string attribute(const engine::Event& event, const std::string& name) {
    const auto found = event.attributes.find(name);
    return found == event.attributes.end() ? "" : found->second;
}

bool has_label(const engine::Event& event, const std::string& label) {
    const auto equals = label.find('=');
    const auto found = event.attributes.find(label.substr(0, equals));
    if (found == event.attributes.end()) return false;
    return equals == std::string::npos || found->second == label.substr(equals + 1);
}

// An object of one type by its id, the beginning of it, or its name.
bool is_object(const engine::Event& event, std::string_view type, const std::string& wanted) {
    if (event.type != type) return false;
    return event.actor.starts_with(wanted) || attribute(event, "name") == wanted;
}

// The image of a container's event counts as well; "busybox" means each of its tags.
bool is_of_image(const engine::Event& event, const std::string& wanted) {
    const auto same = [&](const std::string& name) {
        return name == wanted || name.starts_with(wanted + ":");
    };
    return (event.type == "image" && same(event.actor)) || same(attribute(event, "image")) ||
           (event.type == "image" && same(attribute(event, "name")));
}

// All filters that are set must match; of one filter's values one must, of labels all.
bool matches_event(const engine::Event& event, const Filters& filters) {
    const auto one_of = [&](const std::string& name, const auto& predicate) {
        const auto values = values_of(filters, name);
        return values.empty() || std::ranges::any_of(values, predicate);
    };
    for (const char* type :
         {"config", "daemon", "network", "node", "plugin", "secret", "service", "volume"})
        if (!one_of(type, [&](const auto& text) { return is_object(event, type, text); }))
            return false;
    const auto labels = values_of(filters, "label");
    return one_of("container",
                  [&](const auto& text) { return is_object(event, "container", text); }) &&
           one_of("image", [&](const auto& text) { return is_of_image(event, text); }) &&
           one_of("event", [&](const auto& text) { return is_action(event, text); }) &&
           one_of("type", [&](const auto& text) { return event.type == text; }) &&
           one_of("scope", [](const auto& text) { return text == "local"; }) &&
           std::ranges::all_of(labels, [&](const auto& label) { return has_label(event, label); });
}

Json event_json(const engine::Event& event) {
    const auto since_epoch = event.time.time_since_epoch();
    Json json = {{"Type", event.type},
                 {"Action", event.action},
                 {"Actor", {{"ID", event.actor}, {"Attributes", event.attributes}}},
                 {"scope", "local"},
                 {"time", std::chrono::duration_cast<std::chrono::seconds>(since_epoch).count()},
                 {"timeNano", since_epoch.count()}};
    // As the first clients knew events.
    json["status"] = event.action;
    json["id"] = event.actor;
    if (event.type == "container") json["from"] = attribute(event, "image");
    return json;
}

Result<void> events(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto wanted, filters(request.query, kKnown));
    HAKO_TRY(auto since, time_parameter(request.query, "since"));
    // The epoch that somebody names, unlike none, is before all events.
    if (!request.query.value_or("since", "").empty())
        since = std::max(since, WallTime(std::chrono::nanoseconds(1)));
    HAKO_TRY(const auto until, time_parameter(request.query, "until"));
    if (since != WallTime{} && until != WallTime{} && since > until)
        return fail(ErrorKind::invalid, "`since` time must be earlier than `until` time");
    const auto stream = services.system.events(since, until);
    HAKO_TRY(http::ResponseStream * client, response.stream(200, "application/json"));
    while (true) {
        HAKO_TRY(const auto event, stream->next(request.gone));
        if (!event) return {};
        if (matches_event(*event, wanted))
            HAKO_CHECK(client->write(dump_json(event_json(*event)) + "\n"));
    }
}

}  // namespace

void add_event_routes(http::Router& router, const Services& services) {
    Routes(router, services).add("GET", "/events", events);
}

}  // namespace hako::dockerapi
