// The Linux kernel of an appliance: a distribution's, whose modules know the disks and network
// cards of all kinds of machines.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/build/image_tree.h"
#include "base/result.h"

namespace hako::appliance {

struct Kernel {
    std::filesystem::path root;  // of boot/ and lib/modules/
    std::string version;         // "6.1.0-56-amd64"

    std::filesystem::path image() const { return root / "boot" / ("vmlinuz-" + version); }
    std::filesystem::path modules() const { return root / "lib/modules" / version; }
};

// The newest below the folder. ErrorKind::not_found says how to get one.
Result<Kernel> find_kernel(const std::filesystem::path& root);

// What depmod prints: modules by their path below modules(), and what each needs, first what is
// to be loaded last; and by which names of devices ("pci:v00001AF4d*") modules are asked for.
struct ModuleIndex {
    std::map<std::string, std::vector<std::string>> needs;
    std::vector<std::pair<std::string, std::string>> aliases;  // and the module's name
};
ModuleIndex parse_depmod(std::string_view text);
// The modules that an appliance wants, with all that these need.
ModuleIndex choose_modules(const ModuleIndex& all);
// As modprobe reads them.
std::string dependencies_text(const ModuleIndex& index);
std::string aliases_text(const ModuleIndex& index);

// Puts the modules into /lib/modules.
Result<void> add_modules(ImageTree& tree, const Kernel& kernel);

}  // namespace hako::appliance
