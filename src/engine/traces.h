// Where the time of the last containers' first runs went. Always recorded: a few spans each.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "base/trace.h"

namespace hako::engine {

// Any thread may call anything.
class Traces {
public:
    static constexpr std::size_t kKept = 128;

    // That of the container, begun where there is none. The oldest one goes.
    std::shared_ptr<Trace> of(std::string_view container);
    // not_found "No such trace: x".
    Result<std::vector<Span>> find(std::string_view container) const;

private:
    Guarded<std::deque<std::pair<std::string, std::shared_ptr<Trace>>>> traces_;
};

}  // namespace hako::engine
