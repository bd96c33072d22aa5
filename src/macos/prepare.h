// Makes all that a macOS machine needs in its storage, until it can be started:
//
//   <storage>/<version>/data.img or data.qcow2, data2 ...   its disks
//   <storage>/<version>/boot.img, vars.fd                   OpenCore, the firmware's variables
//   <storage>/<version>/identity.json                       who it is
//   <storage>/hako.lock, hako.holder                        who works in here
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "macos/disk_place.h"
#include "macos/opencore_files.h"
#include "macos/qemu_command.h"
#include "store/file.h"

namespace hako::macos {

struct PrepareRequest {
    MacSettings settings;
    std::filesystem::path storage;
    std::vector<OpenCoreSource> opencore;
    std::optional<std::filesystem::path> custom_config = {};
    std::filesystem::path recovery;  // a .dmg
    std::optional<std::filesystem::path> share = {};
    std::filesystem::path qemu;
    HostCpu cpu;
};

struct PreparedMachine {
    MacMachine machine;
    std::vector<std::string> warnings;
};

// Keeps others from preparing or running a machine there. ErrorKind::conflict names the holder, as
// that called itself ("container mac"), and its process. Makes the folder.
Result<store::FileLock> lock_storage(const std::filesystem::path& storage,
                                     std::string_view holder = {});

// The same for all folders of a machine's disks.
using StorageLocks = std::vector<store::FileLock>;
Result<StorageLocks> lock_storages(const std::filesystem::path& storage, const DiskFolders& more,
                                   std::string_view holder);

// With the lock held.
Result<PreparedMachine> prepare_machine(const PrepareRequest& request);

}  // namespace hako::macos
