// Text and key names as QEMU's keys (qapi/ui.json, QKeyCode), on an American keyboard.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::macos {

// Keys that are down together.
using Chord = std::vector<std::string>;

// One chord a letter. ErrorKind::invalid names what no key types.
Result<std::vector<Chord>> keys_of_text(std::string_view text);
// "cmd-space", "ctrl-alt-f1", "enter". ErrorKind::invalid names an unknown key.
Result<Chord> keys_of_name(std::string_view name);

}  // namespace hako::macos
