// What one hako-shim runs: a VM and the container it is booted for; more containers may join it.
// hakod writes it as JSON to <sandbox>/spec.json and starts `hako-shim --spec FILE`.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/paths.h"
#include "base/process.h"
#include "base/result.h"
#include "guest/agent_client.h"
#include "runtime/output_log.h"
#include "runtime/seccomp.h"
#include "vmm/machine_spec.h"

namespace hako::runtime {

// The disks of the container that a VM is booted for, by serial.
constexpr std::string_view kRootfsSerial = "rootfs";    // EROFS, read-only
constexpr std::string_view kScratchSerial = "scratch";  // ext4

// Where the guest puts a container's root; config.json's root.path.
std::string guest_rootfs(std::string_view container);
// Where the guest has the machine's shares, by name: sources of bind mounts in config.json.
constexpr std::string_view kShareMount = "/run/hako/shares";
constexpr std::string_view kVolumeMount = "/run/hako/volumes";
// An option of config.json's bind mounts: an empty source first gets what the root has at its
// place.
constexpr std::string_view kCopyUpOption = "hako-copy-up";
// Likewise, with a path behind it: what is there in the source is mounted, and never what is
// outside of it.
constexpr std::string_view kSubpathOption = "hako-subpath=";

// A program of the host that runs programs of another processor (vmm/emulator.h).
struct EmulatorSpec {
    std::string architecture;  // whose programs it runs: arm64
    std::filesystem::path program;
};

// A unix socket that is there on the host and in the container.
struct RelayedSocket {
    std::filesystem::path host;
    std::string guest;
};

// One container, as its sandbox runs it.
struct ContainerSpec {
    std::string id;  // 64 hexadecimal digits
    // Disks that the VM has not, by their serials, are added to it.
    vmm::Disk rootfs;   // EROFS, read-only
    vmm::Disk scratch;  // ext4
    // The guest has each at kVolumeMount/<serial>.
    std::vector<vmm::Disk> volumes;  // ext4
    std::vector<vmm::Disk> images;   // EROFS, read-only
    // Those that the VM has not are added to it; the guest has each at kShareMount/<name>.
    std::vector<vmm::Share> shares;
    std::optional<EmulatorSpec> emulator;
    std::string oci_spec;  // the OCI runtime specification's config.json, all of it
    // Files put into the container at create time: path inside -> content.
    std::map<std::string, std::string> files;
    // Sockets of the host that processes in the container connect to, and the other way round.
    std::vector<RelayedSocket> sockets, published_sockets;
    bool tty = false;
    bool open_stdin = false;
    std::string seccomp = std::string(kBuiltinSeccomp);  // runtime/seccomp.h
    OutputLog::Setup log;                                // the container's (docs/formats/log.md)
    std::filesystem::path exit_record;                   // runtime/exit_record.h
};

// Its root, its scratch disk, its volumes, the images that it has mounted.
std::vector<vmm::Disk> disks_of(const ContainerSpec& spec);
// Its oci_spec's `process`, as a text of its own.
Result<std::string> first_process(const ContainerSpec& spec);

// What the guest makes of the machine's network cards, which it finds by their MACs.
using NetworkSpec = guest::Network;

struct SandboxSpec {
    std::string id;  // that of the container it is booted for, unless it waits for one
    vmm::MachineSpec machine;
    NetworkSpec network = {};
    ContainerSpec container;
    // The VM waits for its first container. `container`, which may be empty, is but a rehearsal: it
    // has run and is gone when the VM is ready. It makes its taps itself, and they go with it.
    bool waits = false;
    // Of one that waits: a checkpoint of its QEMU is put here (vmm/checkpoint.h) when it is ready.
    // It is of no other use then.
    std::filesystem::path keeps = {};
    // The container is for a VM that runs already; the rest is as if it had one of its own.
    bool shares = false;
    std::filesystem::path folder;  // layout.sandbox(id); the shim's own files lie here
    // From power-on to the agent's first answer; 0: by the accelerator.
    std::chrono::milliseconds boot_deadline{0};

    std::filesystem::path spec_file() const { return folder / "spec.json"; }
    std::filesystem::path socket() const { return folder / "shim.sock"; }
    std::filesystem::path console_log() const { return folder / "console.log"; }
    std::filesystem::path shim_record() const { return folder / "shim.json"; }
    std::filesystem::path shim_log() const { return folder / "shim.log"; }
    // A link for each socket that is published on the host: what a shim that was killed leaves.
    std::filesystem::path published_sockets() const { return folder / "published"; }
    std::filesystem::path exec_log(std::string_view exec) const {
        return folder / fmt::format("exec-{}.log", exec);
    }
};

Json to_json(const NetworkSpec& spec);
Result<NetworkSpec> network_spec_from_json(const Json& json);
Json to_json(const ContainerSpec& spec);
Result<ContainerSpec> container_spec_from_json(const Json& json);
Json to_json(const SandboxSpec& spec);
Result<SandboxSpec> sandbox_spec_from_json(const Json& json);
// That of a sandbox that was spawned, by its folder.
Result<SandboxSpec> read_sandbox_spec(const std::filesystem::path& folder);

// Writes <folder>/spec.json (and the folder) and starts a shim for it, in a session of its own with
// its stderr in shim_log(). Returns once the shim's socket accepts connections: then
// ShimClient::connect works, and shim_record() says who the shim is.
Result<ProcessIdentity> spawn_shim(const Installation& installation, const SandboxSpec& spec);

// The container's log gets its END record if that is missing.
Result<void> end_log(const std::filesystem::path& log);

// Removes all that a sandbox leaves on the host: kills its shim and QEMU if they still run, removes
// the VM's cgroup and the run folder. Works after a kill -9 of anything at any step, and again.
Result<void> cleanup_sandbox(const Layout& layout, std::string_view id,
                             const std::filesystem::path& log = {});

}  // namespace hako::runtime
