// A container as the database keeps it: what it was created with, and its state, each as one JSON
// document (docs/formats/database.md).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/types.h"

namespace hako::engine {

// Everything but id, name and state.
std::string settings_to_json(const Container& container);
// ErrorKind::corrupt names the field.
Result<void> settings_from_json(std::string_view text, Container& container);

std::string state_to_json(const ContainerState& state);
Result<ContainerState> state_from_json(std::string_view text);

}  // namespace hako::engine
