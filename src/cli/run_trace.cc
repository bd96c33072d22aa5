#include "cli/run_trace.h"

#include <algorithm>
#include <ctime>

#include "base/fd.h"
#include "cli/output/table.h"

namespace hako::cli {
namespace {

constexpr std::size_t kTraceId = 32;

std::string milliseconds(std::chrono::nanoseconds time) {
    return fmt::format("{:7.1f}", std::chrono::duration<double, std::milli>(time).count());
}

// A process has used the processor since its exec, and nothing else: its start is nowhere more
// exact.
std::chrono::nanoseconds processor_time() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

RunTrace::RunTrace() {
    const WallTime time = now();
    begun_ = time - processor_time();
    trace_.add("start hako", begun_, time);
}

Result<void> RunTrace::report(Session& session, const Api& api, const std::string& container,
                              const TraceOptions& options) const {
    if (!options.print && options.file.empty()) return {};
    std::vector<Span> spans{{"hako", "run", begun_, now()}};
    std::ranges::copy(trace_.spans(), std::back_inserter(spans));
    if (const auto answer = api.hako_get("/traces/" + container)) {
        HAKO_TRY(const auto theirs, spans_from_json(*answer));
        std::ranges::copy(theirs, std::back_inserter(spans));
    } else {
        session.io.complain("hako: the daemon tells nothing of its time: " +
                            answer.error().message());
    }
    if (!options.file.empty()) {
        std::string id = container.substr(0, kTraceId);
        id.resize(kTraceId, '0');
        HAKO_CHECK(write_file(options.file, dump_json(to_otlp(spans, id)) + "\n"));
    }
    if (options.print) session.io.complain("\n" + format_trace(std::move(spans)));
    return {};
}

std::string format_trace(std::vector<Span> spans) {
    // What holds others comes before them.
    std::ranges::stable_sort(spans, [](const Span& a, const Span& b) {
        return a.begun != b.begun ? a.begun < b.begun : a.ended > b.ended;
    });
    std::vector<Row> rows{{"AT (ms)", "TOOK (ms)", "PROGRAM", "STEP"}};
    for (const auto& span : spans)
        rows.push_back({milliseconds(span.begun - spans.front().begun),
                        milliseconds(span.ended - span.begun), span.service, span.name});
    std::string text = format_table(rows);
    if (text.ends_with('\n')) text.pop_back();
    return text;
}

}  // namespace hako::cli
