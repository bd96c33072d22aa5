// Templates as the engine's users see them (engine/templates.h has how they come about).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/units.h"

namespace hako::engine {

constexpr unsigned kMostWarm = 64;

struct TemplateOptions {
    bool enabled = true;
    std::filesystem::path folder = {};  // empty: <root>/templates
    std::uint64_t limit = 2 * kGiB;     // bytes of all files together
    bool checkpoints = true;            // QEMUs are kept that have loaded one
    unsigned warm_pool = 1;             // VMs that are loaded before they are needed
};

struct Template {
    std::string key;
    std::string shape_json;  // what it fits
    std::uint64_t bytes = 0;
    WallTime created{};
    WallTime used{};
    bool ready = false;  // the next start takes it; else it is to be checked first
};

// As of the container that it is for; 0 and empty: as of one that says nothing.
struct TemplateRequest {
    std::uint64_t memory = 0;
    std::uint64_t nano_cpus = 0;
    std::string kernel = {};
};

}  // namespace hako::engine
