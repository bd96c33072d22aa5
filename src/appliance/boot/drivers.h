// The drivers of what the machine has.
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace hako::appliance {

// Loads modules for devices as they appear: a bus's driver finds more of them.
class Drivers {
public:
    void load_new();

private:
    std::set<std::string> asked_;  // names that devices ask for drivers by
};

}  // namespace hako::appliance
