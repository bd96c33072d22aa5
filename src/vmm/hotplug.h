// Disks that come into a running machine and go again: SCSI disks on the controller that every
// machine has.
#pragma once

#include <map>
#include <string>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/result.h"
#include "vmm/machine_spec.h"
#include "vmm/qemu/disk_node.h"
#include "vmm/qemu/qmp.h"

namespace hako::vmm {

// A read-only descriptor of an anonymous file with this text.
Result<Fd> text_file(std::string_view text);
// A disk file, opened as its machine may use it.
Result<Fd> open_disk_file(const DiskFile& file);

// Thread-safe.
class Hotplug {
public:
    explicit Hotplug(QmpClient& qmp) : qmp_(qmp) {}

    // Returns when QEMU has it; the guest finds it a moment later, by its serial. Nothing of it is
    // left after an error.
    Result<void> attach(const Disk& disk);
    // The guest does not use it any more. That it is not there is no error.
    Result<void> detach(const std::string& serial);

private:
    struct State {
        int next_fd;
        std::map<std::string, std::vector<int>> sets;  // serial -> descriptor sets
    };
    Result<void> add(const DiskNode& node, const std::string& serial);
    void take_out(const std::string& serial, const std::vector<int>& sets);

    QmpClient& qmp_;
    Guarded<State> state_{State{kFirstHotplugFd, {}}};
    static constexpr int kFirstHotplugFd = 1000;  // above those of the command line
};

}  // namespace hako::vmm
