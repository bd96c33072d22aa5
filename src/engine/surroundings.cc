#include "engine/surroundings.h"

#include <optional>

#include "base/guarded.h"
#include "engine/host_networks.h"
#include "images/image_store.h"
#include "runtime/shim_record.h"
#include "vmm/emulator.h"

namespace hako::engine {
namespace {

class ShimDriver : public SandboxDriver {
public:
    ShimDriver(const Layout& layout, const Installation& installation)
        : layout_(layout), installation_(installation) {}

    Result<ProcessIdentity> spawn(const runtime::SandboxSpec& spec) override {
        return runtime::spawn_shim(installation_, spec);
    }
    Result<std::unique_ptr<runtime::ShimClient>> connect(std::string_view vm,
                                                         std::string_view container) override {
        runtime::SandboxSpec spec;
        spec.folder = layout_.sandbox(vm);
        // Known to be dead there is nobody to wait for.
        HAKO_TRY(const auto record, runtime::read_shim_record(spec.shim_record()));
        if (!is_alive(record.shim))
            return fail(ErrorKind::unavailable, "the shim of VM {} is dead", vm);
        return runtime::ShimClient::connect(spec.socket(), std::string(container));
    }
    Result<void> cleanup(std::string_view vm, const std::filesystem::path& log) override {
        return runtime::cleanup_sandbox(layout_, vm, log);
    }

private:
    Layout layout_;
    Installation installation_;
};

class StoredImages : public ImageSource {
public:
    explicit StoredImages(images::ImageStore& images) : images_(images) {}

    Result<images::Image> find(std::string_view name,
                               const std::optional<oci::Platform>& platform) override {
        return images_.find(name, platform);
    }
    Result<images::Rootfs> rootfs(std::string_view id) override { return images_.rootfs(id); }

private:
    images::ImageStore& images_;
};

class InstalledMachines : public MachineSource {
public:
    InstalledMachines(const Layout& layout, const Installation& installation,
                      vmm::KernelStore& kernels)
        : layout_(layout), installation_(installation), kernels_(kernels) {}

    // One probe, however many containers wait for it.
    Result<vmm::ProbeResult> accelerator() override {
        auto verdict = verdict_.lock();
        if (!*verdict) {
            HAKO_TRY(*verdict, vmm::probe_accelerator(layout_, installation_));
        }
        return **verdict;
    }
    Result<vmm::Kernel> kernel(std::string_view name) override { return kernels_.find(name); }
    std::filesystem::path initramfs() override { return installation_.initramfs(); }
    Result<std::vector<vmm::HostDevice>> devices(const std::vector<std::string>& names) override {
        return vmm::find_host_devices(names);
    }
    Result<std::filesystem::path> emulator(std::string_view architecture) override {
        return vmm::find_emulator(architecture);
    }

private:
    Layout layout_;
    Installation installation_;
    vmm::KernelStore& kernels_;
    Guarded<std::optional<vmm::ProbeResult>> verdict_;
};

}  // namespace

Surroundings real_surroundings(const Layout& layout, const Installation& installation,
                               images::ImageStore& images, vmm::KernelStore& kernels) {
    return {std::make_unique<ShimDriver>(layout, installation),
            std::make_unique<StoredImages>(images),
            std::make_unique<InstalledMachines>(layout, installation, kernels),
            open_network_source(layout)};
}

}  // namespace hako::engine
