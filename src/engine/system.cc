// What is not about one container: images in use, kernels, the host.
#include <fcntl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/fd.h"
#include "engine/context.h"
#include "engine/engine.h"

namespace hako::engine {
namespace {

Kernel to_kernel(const vmm::Kernel& kernel) {
    return {kernel.name, kernel.version, kernel.is_default, kernel.is_builtin};
}

// PRETTY_NAME of os-release(5).
std::string host_os_name() {
    for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
        const auto text = read_file(path, 64 * kKiB);
        if (!text) continue;
        constexpr std::string_view kKey = "PRETTY_NAME=";
        const std::size_t start = text->find(kKey);
        if (start == std::string::npos) continue;
        std::string name = text->substr(start + kKey.size());
        name.resize(std::min(name.size(), name.find('\n')));
        std::erase(name, '"');
        return name;
    }
    return "Linux";
}

Result<void> copy_to_file(Reader& reader, const std::filesystem::path& path) {
    HAKO_TRY(const Fd file, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    std::array<std::byte, 64 * kKiB> buffer{};
    while (true) {
        HAKO_TRY(const std::size_t size, reader.read(buffer));
        if (size == 0) return {};
        HAKO_CHECK(write_all(file.get(), std::span(buffer).first(size)));
    }
}

// As its own, or as a mount.
bool uses_image(const Container& container, const std::string& id) {
    return container.image_id == id ||
           std::ranges::any_of(container.mounts, [&](const MountPoint& mount) {
               return mount.type == MountType::image && mount.name == id;
           });
}

}  // namespace

images::ImageStore& Engine::images() { return *context_->images; }

Result<images::Removed> Engine::remove_image(std::string_view image,
                                             const images::RemoveOptions& options) {
    const std::lock_guard in_use(context_->image_use);
    return context_->images->remove(image, options, [this](const std::string& id) {
        std::vector<images::ImageUser> users;
        for (const EntryPtr& entry : context_->registry.all()) {
            auto live = entry->live.lock();
            if (uses_image(live->container, id)) users.push_back({entry->id, live->running()});
        }
        return users;
    });
}

Result<std::vector<Kernel>> Engine::list_kernels() const {
    HAKO_TRY(const std::vector<vmm::Kernel> kernels, context_->kernels->list());
    std::vector<Kernel> list;
    for (const vmm::Kernel& kernel : kernels) list.push_back(to_kernel(kernel));
    return list;
}

Result<Kernel> Engine::import_kernel(std::string_view name, Reader& vmlinux) {
    HAKO_TRY(const TempDir folder, TempDir::create(context_->layout.root()));
    const std::filesystem::path file = folder.path() / "vmlinux";
    HAKO_CHECK(with_context(copy_to_file(vmlinux, file), "cannot take the kernel in"));
    HAKO_TRY(const vmm::Kernel kernel, context_->kernels->import(name, file));
    return to_kernel(kernel);
}

Result<void> Engine::set_default_kernel(std::string_view name) {
    return context_->kernels->set_default(name);
}

Result<void> Engine::remove_kernel(std::string_view name) {
    return context_->kernels->remove(name);
}

Result<SystemInfo> Engine::system_info() const {
    SystemInfo info;
    for (const EntryPtr& entry : context_->registry.all()) {
        ++info.containers;
        auto live = entry->live.lock();
        ++(live->has_status(Status::paused) ? info.paused
           : live->running()                ? info.running
                                            : info.stopped);
    }
    HAKO_TRY(const auto images, context_->images->list());
    info.images = static_cast<int>(images.size());
    if (auto verdict = context_->accelerator.lock(); *verdict) {
        info.accelerator = vmm::to_string((*verdict)->accelerator);
        info.accelerator_reason = (*verdict)->reason;
    }
    utsname host{};
    if (::uname(&host) != 0) return fail_errno(errno, "cannot ask for the host's name");
    struct sysinfo memory {};
    if (::sysinfo(&memory) != 0) return fail_errno(errno, "cannot ask for the host's memory");
    info.kernel_release = host.release;
    info.host_name = host.nodename;
    info.os_name = host_os_name();
    info.cpus = context_->host_cpus;
    info.memory = std::uint64_t{memory.totalram} * memory.mem_unit;
    HAKO_TRY(info.id, context_->store.daemon_id());
    info.root = context_->layout.root();
    return info;
}

}  // namespace hako::engine
