// Containers that share namespaces with another one, and so its VM: "container:X" as network, pid,
// ipc or uts mode.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"
#include "vmm/machine_spec.h"

namespace hako::engine {

class Registry;

// Whose VM the container runs in: an id (before resolve_sharing() what the client sent); empty: a
// VM of its own.
std::string shared_with(const HostConfig& config);
// What it shares: type of a namespace in the OCI runtime specification -> id of the container.
std::map<std::string, std::string> shared_namespaces(const HostConfig& config);
// Whether it is there for others to join: its VM takes their folders, too.
bool is_pod(const Container& container);
// In another one's VM without that one's network: it has a loopback of its own only.
bool has_bare_network(const HostConfig& config);

// The names in its modes become ids, and it takes the other one's host name where they share it.
// ErrorKind::invalid where it asks for what cannot be had in another one's VM. Returns warnings.
Result<std::vector<std::string>> resolve_sharing(const Registry& registry, Container& container);

// Whether a VM has room for a container with these limits; the error says what to ask for.
Result<void> check_room(const vmm::MachineSpec& machine, const Container& container);

// Whether it has these devices of the host: a VM that runs takes none.
Result<void> check_devices(const vmm::MachineSpec& machine,
                           const std::vector<vmm::HostDevice>& wanted);

}  // namespace hako::engine
