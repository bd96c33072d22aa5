// A volume: files that outlive the containers that use them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace hako::volume {

using StringMap = std::map<std::string, std::string>;

constexpr std::string_view kLocal = "local";  // a folder, for many containers at once
constexpr std::string_view kBlock = "block";  // an ext4 disk, for one container at a time

struct Volume {
    std::string name;
    std::string driver = std::string(kLocal);
    StringMap options;
    StringMap labels;
    WallTime created{};
    bool anonymous = false;  // nobody gave it a name
};

// ErrorKind::invalid: a name that Docker would not take, an unknown driver, an option that it
// lacks.
Result<void> validate(const Volume& volume);
// Whether its options make it read-only for all containers.
bool is_read_only(const Volume& volume);
// What no container may do with its files: "noexec", "nosuid", "nodev".
std::vector<std::string> restrictions_of(const Volume& volume);
// The size of a block volume's disk.
Result<std::uint64_t> disk_size(const Volume& volume);

}  // namespace hako::volume
