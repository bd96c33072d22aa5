// Where drawn values come from: the kernel, or in tests a fixed sequence.
#pragma once

#include <cstdint>
#include <functional>

namespace hako::macos {

// A number below the bound, each as likely.
using Draw = std::function<std::uint32_t(std::uint32_t bound)>;

Draw system_draw();

}  // namespace hako::macos
