#include "engine/traces.h"

#include <algorithm>

#include "engine/context.h"
#include "engine/engine.h"

namespace hako::engine {
namespace {

auto find_in(auto& traces, std::string_view container) {
    return std::ranges::find(traces, container,
                             [](const auto& one) { return std::string_view(one.first); });
}

}  // namespace

std::shared_ptr<Trace> Traces::of(std::string_view container) {
    auto traces = traces_.lock();
    if (const auto found = find_in(*traces, container); found != traces->end())
        return found->second;
    if (traces->size() == kKept) traces->pop_front();
    return traces->emplace_back(container, std::make_shared<Trace>("hakod")).second;
}

Result<std::vector<Span>> Traces::find(std::string_view container) const {
    auto traces = traces_.lock();
    const auto found = find_in(*traces, container);
    if (found == traces->end()) return fail(ErrorKind::not_found, "No such trace: {}", container);
    return found->second->spans();
}

Result<std::vector<Span>> Engine::trace(std::string_view container) const {
    return context_->traces.find(container);
}

}  // namespace hako::engine
