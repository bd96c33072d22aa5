// linux.resources.devices: which device nodes a container may make, read and write.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::oci {

struct DeviceNode {
    std::string node;         // in the VM
    std::string permissions;  // of "rwm"; empty: all
};

// One of Docker's rules, "c 1:3 rwm" or "b *:* m". ErrorKind::invalid for what is none.
Result<Json> parse_device_rule(std::string_view rule);
// Docker's list, the container's own nodes (by their path in it) and `more` rules; everything for
// the privileged. The numbers of nodes are the VM's to know: their rules name them by `path`.
Result<Json> make_device_rules(bool privileged, const std::map<std::string, DeviceNode>& devices,
                               const std::vector<std::string>& more);

}  // namespace hako::oci
