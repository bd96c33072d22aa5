// What a fuzz target defines; fuzz/driver.cc runs it, by libFuzzer or over mutations of the seeds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hako::fuzz {

// Sound inputs to begin with.
std::vector<std::string> seeds();
// Must come back, whatever the input.
void run(std::string_view input);

}  // namespace hako::fuzz
