// Containers that are macOS machines: their variables, and what their shim is told. A container is
// one by its image's name (images/machine_image.h).
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/paths.h"
#include "base/result.h"
#include "engine/types.h"
#include "images/image.h"
#include "runtime/sandbox_spec.h"
#include "runtime/shim_client.h"
#include "vmm/probe.h"

namespace hako::engine {

struct Context;
struct Entry;

bool is_macos(const Container& container);
// --network none: macOS is on none, and nothing is published, the viewer neither.
bool on_no_network(const Container& container);
// DHCP=Y.
bool wants_lan(const Container& container);
// Whether it is a command for the disks of a machine, which need not run for it.
bool works_while_stopped(const Container& container, const ExecConfig& command);

// Of a new container: what of its image counts. Whoever made that has no say in the machine.
images::Image macos_image(images::Image image);
// The shim of one that does not run, for commands that work on its disks; it stays while they run.
Result<std::shared_ptr<runtime::ShimClient>> reach_stopped_macos(
    Context& context, const std::shared_ptr<Entry>& entry);
// Of a new one: its devices, and the snapshot of another machine that it begins with (FROM=
// MACHINE:SNAPSHOT), become variables. ErrorKind::invalid where there is no such snapshot.
Result<void> take_macos_request(Context& context, ContainerConfig& config, HostConfig& host);
// Where a machine's disks are, below their version, unless it has /storage mounted.
std::filesystem::path own_storage(const Layout& layout, std::string_view container);
// Where the disks of a machine are whose mounts are located.
Result<std::filesystem::path> macos_folder(const Container& container, const Layout& layout);
// Checks its variables (ErrorKind::invalid names the wrong one) and completes its settings.
// Returns warnings.
Result<std::vector<std::string>> complete_macos(Container& container);
// What it is to have mounted, once that is known: its disks, and what else dockur/macos names.
Result<void> check_macos_mounts(const std::vector<MountPoint>& mounts,
                                std::vector<std::string>& warnings);
// Chooses the ports of the host that lead to it and tells its shim, which opens them. Returns those
// that are published. ErrorKind::conflict names one that is in use, and by whom.
Result<std::vector<PublishedPort>> publish_macos(const Container& container,
                                                 runtime::SandboxSpec& spec);
// What it asks of its networks, where it wants an address of the LAN: its own MAC address.
std::map<std::string, EndpointSettings> macos_endpoints(
    const Container& container, std::map<std::string, EndpointSettings> endpoints);
// Of those who want it: a link on the macvlan network that they are on. ErrorKind::invalid where
// they are on none.
Result<void> join_lan(Context& context, const Container& container, runtime::SandboxSpec& spec);
// Its mounts are located. ErrorKind::unavailable when it asks for KVM and the host has none.
Result<runtime::SandboxSpec> make_macos_sandbox(const Container& container,
                                                const vmm::ProbeResult& probe,
                                                const Layout& layout);

}  // namespace hako::engine
