// What the engine needs of the world, as small interfaces: shims, images and what machines are made
// of. The real ones are in surroundings.cc, the tests' live in memory.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>

#include "base/process.h"
#include "base/result.h"
#include "engine/networks.h"
#include "images/image.h"
#include "runtime/sandbox_spec.h"
#include "runtime/shim_client.h"
#include "vmm/kernel_store.h"
#include "vmm/probe.h"

namespace hako::images {
class ImageStore;
}

namespace hako::engine {

// Starts shims and finds them again. Any thread may call anything.
class SandboxDriver {
public:
    SandboxDriver() = default;
    SandboxDriver(const SandboxDriver&) = delete;
    SandboxDriver& operator=(const SandboxDriver&) = delete;
    virtual ~SandboxDriver() = default;
    virtual Result<ProcessIdentity> spawn(const runtime::SandboxSpec& spec) = 0;
    // To a container in a VM; a VM has the id of the container that it was booted for.
    virtual Result<std::unique_ptr<runtime::ShimClient>> connect(std::string_view vm,
                                                                 std::string_view container) = 0;
    // Nothing of the VM is left afterwards; the log gets its END record if that is missing.
    virtual Result<void> cleanup(std::string_view vm, const std::filesystem::path& log) = 0;
};

class ImageSource {
public:
    ImageSource() = default;
    ImageSource(const ImageSource&) = delete;
    ImageSource& operator=(const ImageSource&) = delete;
    virtual ~ImageSource() = default;
    virtual Result<images::Image> find(std::string_view name,
                                       const std::optional<oci::Platform>& platform) = 0;
    virtual Result<images::Rootfs> rootfs(std::string_view id) = 0;
};

class MachineSource {
public:
    MachineSource() = default;
    MachineSource(const MachineSource&) = delete;
    MachineSource& operator=(const MachineSource&) = delete;
    virtual ~MachineSource() = default;
    // The first call probes and may take seconds.
    virtual Result<vmm::ProbeResult> accelerator() = 0;
    virtual Result<vmm::Kernel> kernel(std::string_view name) = 0;
    virtual std::filesystem::path initramfs() = 0;
    // As vmm::find_host_devices.
    virtual Result<std::vector<vmm::HostDevice>> devices(const std::vector<std::string>& names) = 0;
    // As vmm::find_emulator.
    virtual Result<std::filesystem::path> emulator(std::string_view architecture) = 0;
};

struct Surroundings {
    std::unique_ptr<SandboxDriver> sandboxes;
    std::unique_ptr<ImageSource> images;
    std::unique_ptr<MachineSource> machines;
    std::unique_ptr<NetworkSource> networks;
};

// The image and kernel stores are borrowed.
Surroundings real_surroundings(const Layout& layout, const Installation& installation,
                               images::ImageStore& images, vmm::KernelStore& kernels);

}  // namespace hako::engine
