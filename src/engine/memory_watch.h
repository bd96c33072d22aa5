// While the host is short of memory, the guests give up what their kernels only keep for later, bit
// by bit and those first that do least, before the host's kernel has to kill anything. Nothing has
// to be given back afterwards: a guest's memory is always its own, it only does not use it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "engine/host_memory.h"
#include "engine/tasks.h"

namespace hako::engine {

// look() and run() belong to one thread.
class MemoryWatch {
public:
    struct Guest {
        std::string vm;                 // its id
        std::chrono::nanoseconds busy;  // CPU time so far
        // Asks for so many bytes; answers how many there were.
        std::function<Result<std::uint64_t>(std::uint64_t bytes)> reclaim;
    };
    struct Needs {
        std::function<std::vector<Guest>()> guests;  // those that run
        std::function<bool()> is_memory_short = engine::is_memory_short;
        std::chrono::milliseconds look_again = std::chrono::seconds(2);
    };
    explicit MemoryWatch(Needs needs) : needs_(std::move(needs)) {}

    void run(const std::stop_token& stop);
    void look();

    static constexpr std::uint64_t kStep = 32 * kMiB;  // of one guest at one look
    // One that had less is left alone for so many looks.
    static constexpr std::uint64_t kLeast = kMiB;
    static constexpr int kRest = 30;

private:
    bool rests(const std::string& vm);

    const Needs needs_;
    std::map<std::string, std::chrono::nanoseconds> busy_;  // at the last look
    std::map<std::string, int> rests_;                      // looks that are left
};

}  // namespace hako::engine
