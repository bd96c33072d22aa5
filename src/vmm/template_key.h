// What a saved guest fits: everything that its state hangs on, as data, and the digest of that.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/guarded.h"
#include "base/json.h"
#include "base/result.h"
#include "vmm/machine_spec.h"

namespace hako::vmm {

struct TemplateShape {
    std::string key;  // 16 hexadecimal digits, names the file
    Json parts;       // kernel, agent, memory, CPUs, devices, QEMU, the host's processor ...
};

// Any thread may call anything.
class TemplateShapes {
public:
    // Digests kernel and initramfs and asks QEMU for its version, where that is not known yet: a
    // fraction of a second.
    Result<TemplateShape> shape(const MachineSpec& spec);
    // By what is known already; nullopt where something is new, or has changed.
    std::optional<TemplateShape> known(const MachineSpec& spec);

private:
    using Read = Result<std::string> (*)(const std::filesystem::path& path);
    Result<TemplateShape> make(const MachineSpec& spec, bool may_read);

    // By a file's path and identity: true as long as its size, time and inode stay.
    Guarded<std::map<std::string, std::string>> facts_;
};

}  // namespace hako::vmm
