// hako run --trace: where the time goes from the exec of hako to its end, in all programs.
#pragma once

#include <string>

#include "base/trace.h"
#include "cli/session.h"

namespace hako::cli {

struct TraceOptions {
    bool print = false;  // a table, to stderr: stdout is the container's
    std::string file;    // OpenTelemetry's JSON
};

class RunTrace {
public:
    // Begins with the process: what it took to load hako is its first span.
    RunTrace();

    Trace& spans() { return trace_; }
    // The daemon's spans join ours. A daemon that has none is no error.
    Result<void> report(Session& session, const Api& api, const std::string& container,
                        const TraceOptions& options) const;

private:
    Trace trace_{"hako"};
    WallTime begun_;
};

// One line a span, in the order of time.
std::string format_trace(std::vector<Span> spans);

}  // namespace hako::cli
