// What changes containers that are there: pause, unpause, update and prune.
#include <array>

#include "dockerapi/container_request.h"
#include "dockerapi/parameters.h"
#include "dockerapi/routes.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

Result<void> pause(const Services& services, Request& request, Response& response) {
    HAKO_CHECK(services.containers.pause(request.parameter("id")));
    return response.send_empty(204);
}

Result<void> unpause(const Services& services, Request& request, Response& response) {
    HAKO_CHECK(services.containers.unpause(request.parameter("id")));
    return response.send_empty(204);
}

Result<void> update(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto body, json_body(request));
    HAKO_TRY(auto parsed, parse_update(body));
    HAKO_TRY(const auto warnings,
             services.containers.update(request.parameter("id"), parsed.request));
    for (const auto& warning : warnings) parsed.warnings.push_back(warning);
    return response.send_json(200, {{"Warnings", parsed.warnings}});
}

Result<void> prune_containers(const Services& services, Request& request, Response& response) {
    static constexpr std::array<std::string_view, 3> kKnown{"label", "label!", "until"};
    HAKO_TRY(const auto parsed, filters(request.query, kKnown));
    engine::PruneFilter filter{.labels = values_of(parsed, "label"),
                               .without = values_of(parsed, "label!")};
    if (const auto values = values_of(parsed, "until"); !values.empty()) {
        HAKO_TRY(filter.until, moment("until", values.back()));
    }
    HAKO_TRY(const auto pruned, services.containers.prune(filter));
    return response.send_json(
        200, {{"ContainersDeleted", pruned.ids.empty() ? Json(nullptr) : Json(pruned.ids)},
              {"SpaceReclaimed", pruned.reclaimed}});
}

}  // namespace

void add_change_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("POST", "/containers/{id}/pause", pause);
    routes.add("POST", "/containers/{id}/unpause", unpause);
    routes.add("POST", "/containers/{id}/update", update);
    routes.add("POST", "/containers/prune", prune_containers);
}

}  // namespace hako::dockerapi
