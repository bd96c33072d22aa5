// From what a client asks for and what the image says to a container's settings, and from those to
// a sandbox. Pure functions.
#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"
#include "base/paths.h"
#include "base/result.h"
#include "engine/types.h"
#include "images/image.h"
#include "oci/runtime_spec.h"
#include "runtime/sandbox_spec.h"

namespace hako::engine {

// The limit inside the VM where none is asked for, and the least that may be asked for.
constexpr std::uint64_t kDefaultMemory = 512 * kMiB;
constexpr std::uint64_t kMinimumMemory = 6 * kMiB;
// The writable layer: a sparse disk of this size, unless storage-opt size says otherwise.
constexpr std::uint64_t kDefaultScratchSize = vmm::kBayBytes;
constexpr std::uint64_t kMinimumScratchSize = 16 * kMiB;
// CPUs of a VM where none are asked for: so many, or as many as the host has. Emulated ones share a
// thread of the host (docs/decisions/0005), so a second one would only cost.
constexpr unsigned kDefaultCpus = 2;
constexpr unsigned kDefaultEmulatedCpus = 1;
constexpr std::string_view kKernelAnnotation = "io.hako.kernel";

// Checks the request and merges it with the image's configuration. Id, created and name are the
// caller's. ErrorKind::invalid, or unimplemented for what is not offered yet.
Result<Container> make_container(const CreateRequest& request, const images::Image& image,
                                 std::string id, unsigned host_cpus);

// By --cpus or a quota, rounded up, and as many as --cpuset-cpus names; 0 where none are asked for.
unsigned asked_cpus(const HostConfig& config);
std::uint64_t memory_limit(const HostConfig& config);
// What the VM gets so that the container really has its limit: kernel and agent come on top.
std::uint64_t machine_memory(std::uint64_t limit);
unsigned machine_cpus(const HostConfig& config, vmm::Accelerator accelerator, unsigned host_cpus);
Result<std::uint64_t> scratch_size(const HostConfig& config);

// Everything that a sandbox is made of, apart from its files' places.
struct MachineParts {
    std::filesystem::path kernel, initramfs;
    images::Rootfs rootfs;
    std::filesystem::path emulator;  // of Container::emulated, where that is set
    vmm::Accelerator accelerator = vmm::Accelerator::tcg;
    std::uint32_t tsc_khz = 0;  // as MachineSpec::tsc_khz
    unsigned host_cpus = 1;
    std::vector<vmm::HostDevice> devices;
    bool alone = false;  // in a VM of its own, whatever it shares
};
// linux.resources of a container with these limits. In another one's VM there is no limit of memory
// but one that is asked for.
oci::Resources make_resources(const HostConfig& config);
// Those of its devices that are the host's, by their names (vmm/host_device.h).
std::vector<std::string> host_devices(const HostConfig& config);
Result<void> check_host_config(const HostConfig& config, unsigned host_cpus);
Result<runtime::ContainerSpec> make_sandbox_container(const Container& container,
                                                      const MachineParts& parts,
                                                      const Layout& layout);
Result<runtime::SandboxSpec> make_sandbox(const Container& container, const MachineParts& parts,
                                          const Layout& layout);

// The OCI `process` object of an exec.
Result<Json> make_exec_process(const Container& container, const ExecConfig& config,
                               std::optional<WindowSize> size);

}  // namespace hako::engine
