// hako logs
#include <array>

#include "base/fd.h"
#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/demux.h"
#include "cli/flags/moment.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct LogOptions {
    bool follow = false, timestamps = false, details = false;
    std::string tail = "all", since, until;
};

Result<http::Query> log_query(const LogOptions& options) {
    http::Query query{{"stdout", "1"}, {"stderr", "1"}};
    if (options.follow) query.add("follow", "1");
    if (options.timestamps) query.add("timestamps", "1");
    if (options.details) query.add("details", "1");
    query.add("tail", options.tail);
    if (!options.since.empty()) {
        HAKO_TRY(const auto since, parse_moment(options.since));
        query.add("since", since);
    }
    if (!options.until.empty()) {
        HAKO_TRY(const auto until, parse_moment(options.until));
        query.add("until", until);
    }
    return query;
}

Result<int> logs(Session& session, const LogOptions& options, const std::string& name) {
    HAKO_TRY(const auto query, log_query(options));
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto info, api->get(fmt::format("/containers/{}/json", name)));
    HAKO_TRY(const auto config, json_field_or(info, "Config", Json::object()));
    HAKO_TRY(const bool tty, json_field_or(config, "Tty", false));
    HAKO_TRY(const auto id, json_field_or(info, "Id", name));
    HAKO_TRY(const auto answer, api->stream("GET", fmt::format("/containers/{}/logs", id), query));
    const auto& io = session.io;
    Demultiplexer frames([&](OutputStream stream, std::span<const std::byte> data) {
        return write_all(stream == OutputStream::out ? io.out : io.err, data);
    });
    std::array<std::byte, std::size_t{64} << 10U> buffer;
    while (true) {
        HAKO_TRY(const auto got, answer->read(buffer));
        if (got == 0) break;
        const auto data = std::span(buffer).first(got);
        HAKO_CHECK(tty ? write_all(io.out, data) : frames.feed(data));
    }
    HAKO_CHECK(frames.finish());
    return 0;
}

}  // namespace

Command logs_command() {
    auto options = std::make_shared<LogOptions>();
    Command command("logs", "Fetch the logs of a container");
    command.flag("-f,--follow", options->follow, "Follow log output");
    command.flag("-t,--timestamps", options->timestamps, "Show timestamps");
    command.flag("--details", options->details, "Show extra details provided to logs");
    command.option("-n,--tail", options->tail,
                   "Number of lines to show from the end of the logs (default \"all\")");
    command.option("--since", options->since,
                   "Show logs since a time (2026-11-22T09:30:00Z) or span (42m)");
    command.option("--until", options->until,
                   "Show logs before a time (2026-11-22T09:30:00Z) or span (42m)");
    command.arguments("CONTAINER", 1, 1, Completes::containers);
    command.action([options](Session& session, const auto& names) {
        return logs(session, *options, names.front());
    });
    return command;
}

}  // namespace hako::cli
