// The keys by which a client leaves a terminal without ending its process.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hako::dockerapi {

class DetachKeys {
public:
    static constexpr std::string_view kDefault = "ctrl-p,ctrl-q";

    // "ctrl-p,ctrl-q", "ctrl-@", "a,b": characters and ctrl- with a letter or one of @[\]^_.
    // ErrorKind::invalid. An empty text is the default.
    static Result<DetachKeys> parse(std::string_view text);

    struct Fed {
        std::string pass;  // for the process
        bool detached = false;
    };
    // Keys that may begin the sequence are held back until the next ones decide.
    Fed feed(std::string_view input);

private:
    explicit DetachKeys(std::string keys) : keys_(std::move(keys)) {}

    std::string keys_;
    std::size_t matched_ = 0;
};

}  // namespace hako::dockerapi
