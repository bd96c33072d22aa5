#include "base/trace.h"

#include <fmt/format.h>

#include <algorithm>

namespace hako {
namespace {

constexpr int kInternalSpan = 1;  // of OTLP's kinds of spans

std::int64_t nanoseconds(WallTime time) { return time.time_since_epoch().count(); }

Json attribute(std::string_view key, std::string_view value) {
    return {{"key", key}, {"value", {{"stringValue", value}}}};
}

}  // namespace

Json to_json(const std::vector<Span>& spans) {
    Json list = Json::array();
    for (const auto& span : spans)
        list.push_back({{"Service", span.service},
                        {"Name", span.name},
                        {"Begun", nanoseconds(span.begun)},
                        {"Ended", nanoseconds(span.ended)}});
    return list;
}

Result<std::vector<Span>> spans_from_json(const Json& json) {
    if (!json.is_array()) return fail(ErrorKind::invalid, "a trace is a list of spans");
    std::vector<Span> spans;
    for (const auto& item : json) {
        Span span;
        HAKO_TRY(span.service, json_field_or<std::string>(item, "Service", {}));
        HAKO_TRY(span.name, json_field_or<std::string>(item, "Name", {}));
        HAKO_TRY(const auto begun, json_field_or<std::int64_t>(item, "Begun", 0));
        HAKO_TRY(const auto ended, json_field_or<std::int64_t>(item, "Ended", 0));
        span.begun = WallTime(std::chrono::nanoseconds(begun));
        span.ended = WallTime(std::chrono::nanoseconds(ended));
        spans.push_back(std::move(span));
    }
    return spans;
}

Json to_otlp(const std::vector<Span>& spans, const std::string& trace_id) {
    std::vector<std::pair<std::string, Json>> services;
    for (std::size_t i = 0; i < spans.size(); ++i) {
        const Span& span = spans[i];
        Json one{{"traceId", trace_id},
                 {"spanId", fmt::format("{:016x}", i + 1)},
                 {"name", span.name},
                 {"kind", kInternalSpan},
                 // 64-bit numbers are strings in protobuf's JSON.
                 {"startTimeUnixNano", std::to_string(nanoseconds(span.begun))},
                 {"endTimeUnixNano", std::to_string(nanoseconds(span.ended))}};
        if (i != 0) one["parentSpanId"] = fmt::format("{:016x}", 1);
        auto found =
            std::ranges::find(services, span.service, &decltype(services)::value_type::first);
        if (found == services.end())
            found = services.insert(services.end(), {span.service, Json::array()});
        found->second.push_back(std::move(one));
    }
    Json resources = Json::array();
    for (auto& [service, list] : services)
        resources.push_back(
            {{"resource", {{"attributes", Json::array({attribute("service.name", service)})}}},
             {"scopeSpans", Json::array({{{"scope", {{"name", "hako"}}}, {"spans", list}}})}});
    return {{"resourceSpans", resources}};
}

void Trace::add(std::string name, WallTime begun, WallTime ended) {
    add({{service_, std::move(name), begun, ended}});
}

void Trace::add(const std::vector<Span>& spans) {
    auto mine = spans_.lock();
    for (const auto& span : spans)
        if (mine->size() < kMostSpans) mine->push_back(span);
}

}  // namespace hako
