#include "macos/random.h"

#include <random>

namespace hako::macos {

Draw system_draw() {
    return [](std::uint32_t bound) {
        std::random_device device;
        return std::uniform_int_distribution<std::uint32_t>(0, bound - 1)(device);
    };
}

}  // namespace hako::macos
