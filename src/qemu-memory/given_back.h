// What a guest gives back says when what it did is over.
#pragma once

#include <cstddef>

namespace hako {

// In any thread.
void note_given_back(std::size_t bytes);

}  // namespace hako
