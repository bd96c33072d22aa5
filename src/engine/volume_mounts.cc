#include "engine/volume_mounts.h"

#include "base/log.h"
#include "volume/file_system.h"

namespace hako::engine {

Result<void> VolumeMounts::use(const volume::Volume& volume, const std::string& container) {
    if (!volume::file_system_of(volume)) return {};
    const auto alone = mounting_.lock(volume.name);
    {
        auto uses = uses_.lock();
        Use& use = (*uses)[volume.name];
        use.volume = volume;
        use.containers.insert(container);
    }
    auto mounted = volume::mount_volume(volume, volumes_.data(volume));
    if (!mounted) (*uses_.lock())[volume.name].containers.erase(container);
    return mounted;
}

void VolumeMounts::release(const std::string& container) {
    std::vector<volume::Volume> released;
    for (auto& [name, use] : *uses_.lock())
        if (use.containers.erase(container) != 0) released.push_back(use.volume);
    for (const auto& volume : released) unmount_if_unused(volume);
}

void VolumeMounts::unmount_unused(const std::vector<volume::Volume>& all) {
    for (const auto& volume : all)
        if (volume::file_system_of(volume)) unmount_if_unused(volume);
}

void VolumeMounts::unmount_if_unused(const volume::Volume& volume) {
    const auto alone = mounting_.lock(volume.name);
    {
        auto uses = uses_.lock();
        const auto use = uses->find(volume.name);
        if (use != uses->end() && !use->second.containers.empty()) return;
        uses->erase(volume.name);
    }
    if (const auto gone = volume::unmount_volume(volumes_.data(volume)); !gone)
        log_warn("volume {}: {}", volume.name, gone.error().message());
}

}  // namespace hako::engine
