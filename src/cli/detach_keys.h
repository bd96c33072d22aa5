// The keys that leave a container without ending it: "ctrl-p,ctrl-q" unless told otherwise.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::cli {

constexpr std::string_view kDefaultDetachKeys = "ctrl-p,ctrl-q";

// Single characters and ctrl-a … ctrl-z, ctrl-@ ctrl-[ ctrl-\ ctrl-] ctrl-^ ctrl-_, by commas.
// An empty text means no keys: there is no way to detach then.
Result<std::vector<std::byte>> parse_detach_keys(std::string_view text);

// Watches what is typed. Keys that may begin the sequence are held back until they are told apart.
class DetachFilter {
public:
    explicit DetachFilter(std::vector<std::byte> keys) : keys_(std::move(keys)) {}

    struct Filtered {
        std::vector<std::byte> data;  // for the container
        bool detached = false;        // the sequence was typed; what followed is dropped
    };
    Filtered feed(std::span<const std::byte> typed);
    // At the end of the input: what was held back.
    std::vector<std::byte> take_held();

private:
    std::vector<std::byte> keys_;
    std::size_t matched_ = 0;
};

}  // namespace hako::cli
