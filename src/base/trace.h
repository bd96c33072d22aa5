// Where the time of a run goes: named spans of several programs, on the host's clock.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/json.h"
#include "base/result.h"
#include "base/units.h"

namespace hako {

struct Span {
    std::string service;  // the program: "hakod"
    std::string name;
    WallTime begun{};
    WallTime ended{};
};

Json to_json(const std::vector<Span>& spans);
Result<std::vector<Span>> spans_from_json(const Json& json);
// OpenTelemetry's JSON encoding (OTLP) of one trace. The first span is the root, the others are its
// children. trace_id: 32 hexadecimal digits.
Json to_otlp(const std::vector<Span>& spans, const std::string& trace_id);

// The spans of one program. Any thread may call anything.
class Trace {
public:
    // What somebody does again and again is not recorded for ever.
    static constexpr std::size_t kMostSpans = 64;

    // A span from here to the end of the block.
    class Timer {
    public:
        Timer(Trace& trace, std::string name)
            : trace_(trace), name_(std::move(name)), begun_(now()) {}
        Timer(const Timer&) = delete;
        Timer& operator=(const Timer&) = delete;
        ~Timer() { trace_.add(std::move(name_), begun_, now()); }

    private:
        Trace& trace_;
        std::string name_;
        WallTime begun_;
    };

    explicit Trace(std::string service) : service_(std::move(service)) {}
    void add(std::string name, WallTime begun, WallTime ended);
    void add(const std::vector<Span>& spans);
    [[nodiscard]] Timer time(std::string name) { return Timer(*this, std::move(name)); }
    std::vector<Span> spans() const { return *spans_.lock(); }

private:
    const std::string service_;
    Guarded<std::vector<Span>> spans_;
};

}  // namespace hako
