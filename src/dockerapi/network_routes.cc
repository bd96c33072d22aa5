// Networks: create, list, inspect, connect, disconnect, prune and remove.
#include <array>

#include "dockerapi/container_request.h"
#include "dockerapi/network_json.h"
#include "dockerapi/parameters.h"
#include "dockerapi/routes.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

Result<engine::NetworkFilter> network_filter(const http::Query& query) {
    static constexpr std::array<std::string_view, 7> kKnown{"id",   "name",  "driver",  "label",
                                                            "type", "scope", "dangling"};
    HAKO_TRY(const auto parsed, filters(query, kKnown));
    engine::NetworkFilter filter{.ids = values_of(parsed, "id"),
                                 .names = values_of(parsed, "name"),
                                 .drivers = values_of(parsed, "driver"),
                                 .labels = values_of(parsed, "label"),
                                 .types = values_of(parsed, "type"),
                                 .scopes = values_of(parsed, "scope")};
    for (const auto& type : filter.types)
        if (type != "custom" && type != "builtin")
            return fail(ErrorKind::invalid, "invalid filter: 'type'='{}'", type);
    for (const auto& text : values_of(parsed, "dangling")) {
        HAKO_TRY(filter.dangling, boolean_filter("dangling", text));
    }
    return filter;
}

Result<void> list_networks(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto filter, network_filter(request.query));
    HAKO_TRY(const auto networks, services.networks.list(filter));
    Json answer = Json::array();
    for (const auto& network : networks) {
        answer.push_back(network_details(network));
        answer.back()["Containers"] = Json::object();  // inspect tells them
    }
    return response.send_json(200, answer);
}

Result<void> inspect_network(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto network, services.networks.inspect(request.parameter("id")));
    return response.send_json(200, network_details(network));
}

Result<void> create_network(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto body, json_body(request));
    HAKO_TRY(const auto wanted, parse_network(body));
    HAKO_TRY(const auto network, services.networks.create(wanted));
    return response.send_json(201, {{"Id", network.id}, {"Warning", ""}});
}

Result<std::string> container_of(const Json& body) {
    std::string container;
    HAKO_CHECK(read_field(body, "Container", container));
    if (container.empty())
        return fail(ErrorKind::invalid, "field Container is missing: name a container");
    return container;
}

Result<void> connect_network(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto body, json_body(request));
    HAKO_TRY(const auto container, container_of(body));
    HAKO_TRY(const auto settings, parse_endpoint(body.value("EndpointConfig", Json())));
    HAKO_CHECK(services.networks.connect(request.parameter("id"), container, settings));
    return response.send_empty(200);
}

Result<void> disconnect_network(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto body, json_body(request));
    HAKO_TRY(const auto container, container_of(body));
    HAKO_CHECK(services.networks.disconnect(request.parameter("id"), container));
    return response.send_empty(200);
}

Result<void> prune_networks(const Services& services, Request& request, Response& response) {
    static constexpr std::array<std::string_view, 3> kKnown{"label", "label!", "until"};
    HAKO_TRY(const auto parsed, filters(request.query, kKnown));
    engine::NetworkFilter filter{.labels = values_of(parsed, "label"),
                                 .without_labels = values_of(parsed, "label!")};
    if (const auto values = values_of(parsed, "until"); !values.empty()) {
        HAKO_TRY(filter.until, moment("until", values.back()));
    }
    HAKO_TRY(const auto names, services.networks.prune(filter));
    return response.send_json(200,
                              {{"NetworksDeleted", names.empty() ? Json(nullptr) : Json(names)}});
}

}  // namespace

void add_network_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("GET", "/networks", list_networks);
    routes.add("GET", "/networks/{id}", inspect_network);
    routes.add("POST", "/networks/create", create_network);
    routes.add("POST", "/networks/prune", prune_networks);
    routes.add("POST", "/networks/{id}/connect", connect_network);
    routes.add("POST", "/networks/{id}/disconnect", disconnect_network);
    routes.add("DELETE", "/networks/{id}",
               [](const Services& s, Request& request, Response& response) -> Result<void> {
                   HAKO_CHECK(s.networks.remove(request.parameter("id")));
                   return response.send_empty(204);
               });
}

}  // namespace hako::dockerapi
