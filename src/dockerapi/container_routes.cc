// Containers: create, list, inspect and the verbs that change one.
#include <algorithm>
#include <array>
#include <charconv>

#include "dockerapi/container_json.h"
#include "dockerapi/container_request.h"
#include "dockerapi/parameters.h"
#include "dockerapi/routes.h"
#include "dockerapi/usage.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

Result<void> create_container(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto body, json_body(request));
    HAKO_TRY(auto parsed, parse_create(body));
    parsed.request.name = request.query.value_or("name", "");
    if (parsed.request.name.starts_with('/')) parsed.request.name.erase(0, 1);
    HAKO_TRY(parsed.request.platform, platform(request.query));
    HAKO_TRY(auto created, services.containers.create(parsed.request));
    std::ranges::move(parsed.warnings, std::back_inserter(created.warnings));
    return response.send_json(201, {{"Id", created.id}, {"Warnings", created.warnings}});
}

constexpr std::array<std::string_view, 14> kListFilters{
    "id",    "name",   "label",   "status", "exited",  "ancestor", "before",
    "since", "health", "network", "volume", "is-task", "publish",  "expose"};

// "80", "80/udp", "8000-8010/tcp" as "port/protocol", each port of a range.
Result<std::vector<std::string>> port_filter(std::string_view name,
                                             const std::vector<std::string>& values) {
    std::vector<std::string> ports;
    for (const std::string& value : values) {
        const std::size_t slash = std::min(value.find('/'), value.size());
        const std::string protocol = slash < value.size() ? value.substr(slash + 1) : "tcp";
        unsigned first = 0;
        const char* end = value.data() + slash;
        auto parsed = std::from_chars(value.data(), end, first);
        unsigned last = first;
        if (parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '-')
            parsed = std::from_chars(parsed.ptr + 1, end, last);
        constexpr std::array<std::string_view, 3> kProtocols{"tcp", "udp", "sctp"};
        if (parsed.ec != std::errc() || parsed.ptr != end || first > last || last > 65535 ||
            std::ranges::find(kProtocols, protocol) == kProtocols.end())
            return fail(ErrorKind::invalid,
                        "invalid filter '{}={}': a port such as 80, 80/udp or 8000-8010/tcp is "
                        "expected",
                        name, value);
        for (unsigned port = first; port <= last; ++port)
            ports.push_back(fmt::format("{}/{}", port, protocol));
    }
    return ports;
}

Result<engine::ListFilter> container_filter(const http::Query& query, const Filters& parsed) {
    HAKO_TRY(const auto limit, number(query, "limit"));
    engine::ListFilter filter;
    filter.all = flag(query, "all");
    filter.with_size = flag(query, "size");
    if (limit && *limit > 0) filter.limit = static_cast<std::size_t>(*limit);
    filter.ids = values_of(parsed, "id");
    filter.names = values_of(parsed, "name");
    filter.labels = values_of(parsed, "label");
    filter.networks = values_of(parsed, "network");
    filter.volumes = values_of(parsed, "volume");
    filter.ancestors = values_of(parsed, "ancestor");
    filter.statuses = values_of(parsed, "status");
    filter.healths = values_of(parsed, "health");
    constexpr std::array<std::string_view, 4> kHealths{"none", "starting", "healthy", "unhealthy"};
    for (const auto& health : filter.healths)
        if (std::ranges::find(kHealths, health) == kHealths.end())
            return fail(ErrorKind::invalid, "invalid filter 'health={}'", health);
    constexpr std::array<std::string_view, 7> kStatuses{
        "created", "running", "paused", "restarting", "removing", "exited", "dead"};
    for (const auto& status : filter.statuses)
        if (std::ranges::find(kStatuses, status) == kStatuses.end())
            return fail(ErrorKind::invalid, "invalid filter 'status={}'", status);
    for (const auto& text : values_of(parsed, "exited")) {
        int code = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
        if (error != std::errc() || end != text.data() + text.size())
            return fail(ErrorKind::invalid, "invalid filter 'exited={}'", text);
        filter.exit_codes.push_back(code);
    }
    for (const auto& [name, target] : {std::pair{"publish", &engine::ListFilter::published},
                                       std::pair{"expose", &engine::ListFilter::exposed}}) {
        HAKO_TRY(filter.*target, port_filter(name, values_of(parsed, name)));
    }
    for (const auto& [name, target] : {std::pair{"before", &engine::ListFilter::before},
                                       std::pair{"since", &engine::ListFilter::since}})
        if (const auto values = values_of(parsed, name); !values.empty())
            filter.*target = values.back();
    return filter;
}

// Containers have no swarm here: what asks for one finds nothing.
Result<bool> asks_for_what_none_has(const Filters& parsed) {
    bool asks = false;
    for (const auto& text : values_of(parsed, "is-task")) {
        HAKO_TRY(const bool is_asked, boolean_filter("is-task", text));
        asks |= is_asked;
    }
    return asks;
}

Result<void> list_containers(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto parsed, filters(request.query, kListFilters));
    HAKO_TRY(const auto filter, container_filter(request.query, parsed));
    Json answer = Json::array();
    HAKO_TRY(const bool for_nothing, asks_for_what_none_has(parsed));
    if (for_nothing) return response.send_json(200, answer);
    HAKO_TRY(answer, container_list(services, filter));
    return response.send_json(200, answer);
}

Result<void> inspect_container(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto container, services.containers.inspect(request.parameter("id")));
    Json answer = container_details(container, version_of(request));
    if (flag(request.query, "size")) {
        HAKO_TRY(const auto sized,
                 services.containers.list({.all = true, .ids = {container.id}, .with_size = true}));
        for (const auto& one : sized) add_sizes(answer, services, one);
    }
    return response.send_json(200, answer);
}

Result<void> top(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto table, services.containers.top(request.parameter("id"),
                                                       request.query.value_or("ps_args", "-ef")));
    return response.send_json(200, {{"Titles", table.titles}, {"Processes", table.rows}});
}

Result<engine::StopOptions> stop_options(const http::Query& query) {
    engine::StopOptions options{.signal = query.value_or("signal", "")};
    HAKO_TRY(options.timeout_seconds, number(query, "t"));
    return options;
}

Result<void> stop(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto options, stop_options(request.query));
    HAKO_CHECK(services.containers.stop(request.parameter("id"), options));
    return response.send_empty(204);
}

Result<void> restart(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto options, stop_options(request.query));
    HAKO_CHECK(services.containers.restart(request.parameter("id"), options));
    return response.send_empty(204);
}

Result<void> rename(const Services& services, Request& request, Response& response) {
    std::string name = request.query.value_or("name", "");
    if (name.starts_with('/')) name.erase(0, 1);
    if (name.empty()) return fail(ErrorKind::invalid, "Neither old nor new names may be empty");
    HAKO_CHECK(services.containers.rename(request.parameter("id"), name));
    return response.send_empty(204);
}

Result<void> resize_container(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto size, window_size(request.query));
    HAKO_CHECK(services.containers.resize(request.parameter("id"), size));
    return response.send_empty(200);
}

}  // namespace

void add_container_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("POST", "/containers/create", create_container);
    routes.add("GET", "/containers/json", list_containers);
    routes.add("GET", "/containers/{id}/json", inspect_container);
    routes.add("POST", "/containers/{id}/start",
               [](const Services& s, Request& request, Response& response) -> Result<void> {
                   HAKO_CHECK(s.containers.start(request.parameter("id")));
                   return response.send_empty(204);
               });
    routes.add("POST", "/containers/{id}/stop", stop);
    routes.add("POST", "/containers/{id}/restart", restart);
    routes.add("POST", "/containers/{id}/kill",
               [](const Services& s, Request& request, Response& response) -> Result<void> {
                   HAKO_CHECK(s.containers.kill(request.parameter("id"),
                                                request.query.value_or("signal", "SIGKILL")));
                   return response.send_empty(204);
               });
    routes.add("POST", "/containers/{id}/rename", rename);
    routes.add("POST", "/containers/{id}/resize", resize_container);
    routes.add("GET", "/containers/{id}/top", top);
    routes.add("DELETE", "/containers/{id}",
               [](const Services& s, Request& request, Response& response) -> Result<void> {
                   HAKO_CHECK(s.containers.remove(request.parameter("id"),
                                                  {.force = flag(request.query, "force"),
                                                   .volumes = flag(request.query, "v")}));
                   return response.send_empty(204);
               });
}

}  // namespace hako::dockerapi
