// GET /containers/{id}/stats: figures every second, or once.

#include "base/thread.h"
#include "dockerapi/parameters.h"
#include "dockerapi/routes.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

constexpr std::chrono::seconds kInterval{1};
constexpr std::uint64_t kNanosecondsOfOne = 1000;

Json cpu_json(const std::optional<guest::Statistics>& figures) {
    const auto& [usage, user, system, throttled] =
        figures ? std::tuple(figures->cpu_usage_us, figures->cpu_user_us, figures->cpu_system_us,
                             figures->cpu_throttled_us)
                : std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>();
    Json json = {{"cpu_usage",
                  {{"total_usage", usage * kNanosecondsOfOne},
                   {"usage_in_kernelmode", system * kNanosecondsOfOne},
                   {"usage_in_usermode", user * kNanosecondsOfOne}}},
                 {"throttling_data",
                  {{"periods", 0},
                   {"throttled_periods", 0},
                   {"throttled_time", throttled * kNanosecondsOfOne}}}};
    if (!figures) return json;
    json["system_cpu_usage"] = figures->system_cpu_us * kNanosecondsOfOne;
    json["online_cpus"] = figures->online_cpus;
    return json;
}

Json memory_json(const guest::Statistics& figures) {
    return {{"usage", figures.memory_usage_bytes},
            {"max_usage", figures.memory_peak_bytes},
            {"limit", figures.memory_limit_bytes},
            {"stats", figures.memory_stat}};
}

Json block_json(const guest::Statistics& figures) {
    const auto line = [](const char* operation, std::uint64_t bytes) -> Json {
        return {{"major", 254}, {"minor", 0}, {"op", operation}, {"value", bytes}};
    };
    return Json::array(
        {line("read", figures.block_read_bytes), line("write", figures.block_write_bytes)});
}

Json sample_json(const engine::StatisticsSample& sample, const engine::StatisticsSample& before) {
    Json json = {{"name", "/" + sample.name},
                 {"id", sample.id},
                 {"read", format_time(sample.read)},
                 {"preread", format_time(before.read)},
                 {"num_procs", 0},
                 {"storage_stats", Json::object()},
                 {"cpu_stats", cpu_json(sample.figures)},
                 {"precpu_stats", cpu_json(before.figures)},
                 {"pids_stats", Json::object()},
                 {"memory_stats", Json::object()},
                 {"blkio_stats",
                  {{"io_service_bytes_recursive", nullptr},
                   {"io_serviced_recursive", nullptr},
                   {"io_queue_recursive", nullptr},
                   {"io_service_time_recursive", nullptr},
                   {"io_wait_time_recursive", nullptr},
                   {"io_merged_recursive", nullptr},
                   {"io_time_recursive", nullptr},
                   {"sectors_recursive", nullptr}}}};
    if (!sample.figures) return json;
    json["pids_stats"] = {{"current", sample.figures->pids_current},
                          {"limit", sample.figures->pids_limit}};
    json["memory_stats"] = memory_json(*sample.figures);
    json["blkio_stats"]["io_service_bytes_recursive"] = block_json(*sample.figures);
    return json;
}

Result<void> stats(const Services& services, Request& request, Response& response) {
    const bool streaming = flag(request.query, "stream", true);
    const bool one_shot = flag(request.query, "one-shot");
    if (streaming && one_shot)
        return fail(ErrorKind::invalid, "cannot have stream=true and one-shot=true");
    HAKO_TRY(const auto container, services.containers.inspect(request.parameter("id")));
    engine::StatisticsSample before;
    HAKO_TRY(auto sample, services.containers.statistics(container.id));
    // One answer that tells shares of the CPU needs two looks.
    if (!streaming && !one_shot && sample.figures && sleep_for(kInterval, request.gone)) {
        before = std::exchange(sample, {});
        HAKO_TRY(sample, services.containers.statistics(container.id));
    }
    if (!streaming) return response.send_json(200, sample_json(sample, before));
    HAKO_TRY(http::ResponseStream * client, response.stream(200, "application/json"));
    while (true) {
        HAKO_CHECK(client->write(dump_json(sample_json(sample, before)) + "\n"));
        if (!sleep_for(kInterval, request.gone)) return {};
        auto next = services.containers.statistics(container.id);
        // Removed: nothing more is to tell.
        if (!next && next.error().kind() == ErrorKind::not_found) return {};
        if (!next) return fail(next.error());
        before = std::exchange(sample, *std::move(next));
    }
}

}  // namespace

void add_stats_routes(http::Router& router, const Services& services) {
    Routes(router, services).add("GET", "/containers/{id}/stats", stats);
}

}  // namespace hako::dockerapi
