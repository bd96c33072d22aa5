// Tar archives for tests.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/stream.h"

namespace hako::init {

struct TarItem {
    std::string name;
    unsigned mode;
    std::string content;  // or a link's target
    unsigned uid = 0;
};

// Modified at 1,000,000,000 s.
std::string make_tar(const std::vector<TarItem>& items);

}  // namespace hako::init
