// Disks that come into a running machine and go again: as SCSI disks on the controller that every
// machine has, or into its bays. A guest has looked at a bay before, and finds a disk in it at
// once; to find a SCSI disk takes it a dozen commands.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

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
    // disks: those that the machine was started with.
    Hotplug(QmpClient& qmp, const std::vector<Disk>& disks);

    // Returns when QEMU has it; the guest finds it a moment later, by its serial. Nothing of it is
    // left after an error.
    Result<void> attach(const Disk& disk);
    // Into a bay, if one is free and suits, else as attach(). Returns the serial that the guest
    // finds it by: that of the bay, or its own.
    Result<std::string> insert(const Disk& disk);
    // The guest does not use it any more: by the serial that the guest found it by. That it is not
    // there is no error.
    Result<void> detach(const std::string& serial);

private:
    struct Bay {
        std::string serial;
        std::string name;  // of its device, and of the block node that it has while it is empty
        bool read_only = false;
    };
    struct Plugged {
        std::string node;
        const Bay* bay = nullptr;    // none: it is a SCSI disk
        std::vector<int> sets = {};  // descriptor sets
    };
    struct State {
        int next_fd;
        std::map<std::string, Plugged> disks = {};  // by the guest's serial
    };
    const Bay* free_bay(const State& state, const Disk& disk) const;
    Result<std::string> take_in(State& state, const Disk& disk, const Bay* bay);
    Result<void> put_in(const Bay& bay, const std::string& node);
    Result<void> add(const DiskNode& node, const Plugged& plugged, const std::string& serial);
    void take_out(const Plugged& plugged, const std::string& serial);

    QmpClient& qmp_;
    std::vector<Bay> bays_;
    Guarded<State> state_{State{kFirstHotplugFd}};
    static constexpr int kFirstHotplugFd = 1000;  // above those of the command line
};

}  // namespace hako::vmm
