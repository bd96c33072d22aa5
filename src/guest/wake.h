// The first words to a guest that was saved while it waited, and that has just been loaded
// (docs/formats/template.md). They go over the agent's channel before gRPC does: a guest must have
// its own time and randomness before it does anything for anybody.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/units.h"

namespace hako::guest {

// What the guest says, once, when it begins to wait.
constexpr char kWaits = 'W';
// The same, where its kernel got no timer that lets it sleep until there is something to do.
constexpr char kWaitsRestless = 'R';

// Has a guest that answered Doze wait again; it says the same back, and then what it says when it
// begins to wait. Nothing comes over the channel in between.
constexpr std::string_view kDoze = "hakodoze";

struct Wake {
    WallTime time{};
    std::string entropy;  // kWakeEntropy bytes
    // Behind so many virtio-mmio slots there is nothing that the guest needs from the start. 0: it
    // has found all of that already.
    unsigned slots = 0;
};
constexpr std::size_t kWakeEntropy = 64;

// Magic (8 bytes), seconds (8) and nanoseconds (4) since the epoch, slots (1), little-endian,
// entropy.
constexpr std::size_t kWakeBytes = 8 + 8 + 4 + 1 + kWakeEntropy;
// With the time of now and fresh random bytes.
Result<Wake> make_wake();
std::string encode(const Wake& wake);
// ErrorKind::corrupt where these are not such bytes.
Result<Wake> decode_wake(std::string_view bytes);

}  // namespace hako::guest
