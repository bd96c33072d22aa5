// hako stats: one-shot figures of every container, twice or every second, and what changed between.
#include <thread>

#include "cli/commands/commands.h"
#include "cli/output/listing.h"
#include "cli/output/text.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

constexpr std::chrono::seconds kInterval{1};
constexpr std::string_view kClearScreen = "\033[H\033[J";

struct StatsOptions {
    bool all = false, once = false, full = false;
    std::string format;
};

// What one answer of the API says.
struct Sample {
    std::string id, name;
    bool running = false;
    double cpu = 0, system = 0;  // nanoseconds
    unsigned cpus = 1;
    std::uint64_t memory = 0, limit = 0, received = 0, sent = 0, read = 0, written = 0, pids = 0;
};
using Samples = std::map<std::string, Sample>;  // by id

std::uint64_t figure(const Json& json, const char* path) {
    const Json::json_pointer pointer(path);
    if (!json.contains(pointer)) return 0;
    const Json& value = json[pointer];
    return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

Sample read_sample(const Json& answer) {
    Sample sample;
    sample.id = answer.value("id", "");
    sample.name = answer.value("name", "");
    if (sample.name.starts_with('/')) sample.name.erase(0, 1);
    sample.running = figure(answer, "/cpu_stats/system_cpu_usage") != 0;
    sample.cpu = static_cast<double>(figure(answer, "/cpu_stats/cpu_usage/total_usage"));
    sample.system = static_cast<double>(figure(answer, "/cpu_stats/system_cpu_usage"));
    sample.cpus = static_cast<unsigned>(figure(answer, "/cpu_stats/online_cpus"));
    const auto usage = figure(answer, "/memory_stats/usage");
    sample.memory = usage - std::min(usage, figure(answer, "/memory_stats/stats/inactive_file"));
    sample.limit = figure(answer, "/memory_stats/limit");
    sample.pids = figure(answer, "/pids_stats/current");
    for (const auto& network : answer.value("networks", Json::object())) {
        sample.received += figure(network, "/rx_bytes");
        sample.sent += figure(network, "/tx_bytes");
    }
    const Json::json_pointer blocks("/blkio_stats/io_service_bytes_recursive");
    if (answer.contains(blocks) && answer[blocks].is_array())
        for (const auto& line : answer[blocks])
            (line.value("op", "") == "read" ? sample.read : sample.written) +=
                figure(line, "/value");
    return sample;
}

double cpu_percent(const Sample& before, const Sample& sample) {
    const double system = sample.system - before.system;
    const double cpu = sample.cpu - before.cpu;
    return system > 0 && cpu > 0 ? cpu / system * sample.cpus * 100 : 0;
}

ListedItem describe(const Sample& sample, const Sample* before, bool full) {
    const double memory = sample.limit == 0 ? 0
                                            : 100.0 * static_cast<double>(sample.memory) /
                                                  static_cast<double>(sample.limit);
    const double cpu = before != nullptr ? cpu_percent(*before, sample) : 0;
    const auto id = full ? sample.id : short_id(sample.id);
    ListedItem item;
    item.fields = {
        {"Container", id},
        {"ID", id},
        {"Name", sample.name},
        {"CPUPerc", fmt::format("{:.2f}%", cpu)},
        {"MemUsage", fmt::format("{} / {}", format_binary_size(sample.memory),
                                 format_binary_size(sample.limit))},
        {"MemPerc", fmt::format("{:.2f}%", memory)},
        {"NetIO", fmt::format("{} / {}", format_size(sample.received), format_size(sample.sent))},
        {"BlockIO", fmt::format("{} / {}", format_size(sample.read), format_size(sample.written))},
        {"PIDs", std::to_string(sample.pids)}};
    return item;
}

ListingStyle style() {
    return {.columns = {{"ID", "CONTAINER ID"},
                        {"Name", "NAME"},
                        {"CPUPerc", "CPU %"},
                        {"MemUsage", "MEM USAGE / LIMIT"},
                        {"MemPerc", "MEM %"},
                        {"NetIO", "NET I/O"},
                        {"BlockIO", "BLOCK I/O"},
                        {"PIDs", "PIDS"}},
            .more = {{"Container", "CONTAINER"}},
            .quiet_field = "ID"};
}

// In the order of the listing; those that are gone are left out unless they were named.
Result<std::vector<Sample>> take(const Api& api, const StatsOptions& options,
                                 std::vector<std::string> names) {
    const bool named = !names.empty();
    if (!named) {
        HAKO_TRY(const auto list, api.get("/containers/json",
                                          options.all ? http::Query{{"all", "1"}} : http::Query{}));
        for (const auto& container : list) names.push_back(container.value("Id", ""));
    }
    std::vector<Sample> samples;
    for (const auto& name : names) {
        const auto answer = api.get(fmt::format("/containers/{}/stats", name),
                                    {{"stream", "0"}, {"one-shot", "1"}});
        if (!answer && !named && answer.error().kind() == ErrorKind::not_found) continue;
        if (!answer) return fail(answer.error());
        samples.push_back(read_sample(*answer));
    }
    return samples;
}

Result<int> stats(Session& session, const StatsOptions& options,
                  const std::vector<std::string>& names) {
    HAKO_TRY(const auto* api, session.api());
    Samples before;
    for (int round = 0;; ++round) {
        HAKO_TRY(const auto samples, take(*api, options, names));
        std::vector<ListedItem> items;
        for (const auto& sample : samples) {
            const auto found = before.find(sample.id);
            items.push_back(
                describe(sample, found == before.end() ? nullptr : &found->second, options.full));
        }
        // Shares of the CPU need two looks: of a single answer the second one is shown.
        const bool shown = !options.once || round > 0;
        if (shown) {
            HAKO_TRY(const auto text, format_listing(items, style(), options.format, false));
            if (!options.once && session.io.out_is_terminal()) session.io.print(kClearScreen);
            session.io.print(text);
        }
        if (options.once && shown) return 0;
        before.clear();
        for (const auto& sample : samples) before[sample.id] = sample;
        std::this_thread::sleep_for(kInterval);
    }
}

}  // namespace

Command stats_command() {
    auto options = std::make_shared<StatsOptions>();
    Command command("stats", "Display a live stream of containers' resource usage");
    command.flag("-a,--all", options->all, "Show all containers (default shows just running)");
    command.flag("--no-stream", options->once, "Print the first result and end");
    command.flag("--no-trunc", options->full, "Do not truncate output");
    command.option("--format", options->format, "Format output: table, json, or a Go template");
    command.arguments("[CONTAINER...]", 0, kUnlimited, Completes::running_containers);
    command.action(
        [options](Session& session, const auto& names) { return stats(session, *options, names); });
    return command;
}

}  // namespace hako::cli
