// Templates of VMs: hako's own part of the API, below /hako/v1.
#include "base/units.h"
#include "dockerapi/routes.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

Json template_json(const engine::Template& one) {
    const auto shape = parse_json(one.shape_json);
    return {{"Key", one.key},
            {"Shape", shape ? *shape : Json::object()},
            {"Size", one.bytes},
            {"Created", format_time(one.created)},
            {"Used", format_time(one.used)},
            {"Ready", one.ready}};
}

Result<void> list_templates(const Services& services, Request&, Response& response) {
    HAKO_TRY(const auto templates, services.system.templates());
    Json answer = Json::array();
    for (const auto& one : templates) answer.push_back(template_json(one));
    return response.send_json(200, answer);
}

Result<void> inspect_template(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto one, services.system.find_template(request.parameter("key")));
    return response.send_json(200, template_json(one));
}

Result<void> build_template(const Services& services, Request& request, Response& response) {
    engine::TemplateRequest wanted{.kernel = request.query.value_or("kernel", "")};
    const auto number = [&](std::string_view name, std::uint64_t& value) -> Result<void> {
        const std::string text = request.query.value_or(name, "");
        if (text.empty()) return {};
        HAKO_TRY(value, with_context(parse_bytes(text), name));
        return {};
    };
    HAKO_CHECK(number("memory", wanted.memory));
    HAKO_CHECK(number("nanocpus", wanted.nano_cpus));
    HAKO_TRY(const auto one, services.system.build_template(wanted));
    return response.send_json(201, template_json(one));
}

Result<void> remove_template(const Services& services, Request& request, Response& response) {
    HAKO_CHECK(services.system.remove_template(request.parameter("key")));
    return response.send_empty(204);
}

}  // namespace

void add_template_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("GET", "/hako/v1/templates", list_templates);
    routes.add("POST", "/hako/v1/templates", build_template);
    routes.add("GET", "/hako/v1/templates/{key}", inspect_template);
    routes.add("DELETE", "/hako/v1/templates/{key}", remove_template);
}

}  // namespace hako::dockerapi
