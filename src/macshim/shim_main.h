// The program hako-macos: the shim of one macOS machine, in a container's place. For hakod it is as
// hako-shim (proto/shim.proto), and is started alike.
#pragma once

#include <span>
#include <string_view>

namespace hako::macshim {

// arguments: without the program's name. Returns the exit status.
int shim_main(std::span<const std::string_view> arguments);

}  // namespace hako::macshim
