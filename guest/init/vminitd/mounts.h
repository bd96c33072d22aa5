// Mounts of the guest itself, as the host asks for them.
#pragma once

#include <string>

#include "base/result.h"
#include "proto/agent.pb.h"

namespace hako::init {

// "/dev/vda" by a virtio block device's serial.
Result<std::string> find_disk(const std::string& serial);

// Targets that are missing are created; with create_directories upperdir and workdir as well.
Result<void> mount_one(const agent::v1::Mount& mount);
Result<void> unmount(const std::string& target);

}  // namespace hako::init
