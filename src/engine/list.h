// What list and prune have in common.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/context.h"
#include "engine/types.h"

namespace hako::engine {

// label: "key" or "key=value".
bool has_label(const StringMap& labels, std::string_view label);
// What a container takes on the disk beside its image and its volumes.
std::uint64_t written_bytes(const Context& context, const Container& container);

}  // namespace hako::engine
