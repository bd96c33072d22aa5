#include "engine/volumes.h"

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/list.h"
#include "engine/sockets.h"

namespace hako::engine {
namespace {

bool mounts_volume(const Container& container, std::string_view volume) {
    return std::ranges::any_of(container.mounts, [&](const MountPoint& mount) {
        return mount.type == MountType::volume && mount.name == volume;
    });
}

Result<void> remove_volume(Context& context, std::string_view name) {
    HAKO_TRY(const auto volume, context.volumes.find(name));
    HAKO_CHECK(context.volumes.remove(name));
    emit_volume(context, volume, "destroy");
    return {};
}

// Whether its VM, if there is one, has the mount's disk so that nobody else may have it.
bool holds_disk(Entry& entry, const MountPoint& mount) {
    auto live = entry.live.lock();
    return live->shim != nullptr &&
           std::ranges::any_of(live->container.mounts, [&](const MountPoint& other) {
               return other.type == MountType::volume && other.name == mount.name &&
                      !(other.read_only && mount.read_only);
           });
}

// A VM that is there for `cp` only makes room.
void end_idle_vm(Context& context, const EntryPtr& entry) {
    const std::unique_lock operation(entry->operation, std::try_to_lock);
    if (operation && !entry->live.lock()->files_spec.empty()) end_files_vm(context, entry);
}

VolumeDetails details_of(Context& context, volume::Volume found, bool with_usage) {
    VolumeDetails details;
    details.mountpoint = context.volumes.data(found).string();
    details.users = users_of_volume(context, found.name).size();
    if (with_usage) details.used_bytes = context.volumes.used_bytes(found);
    details.volume = std::move(found);
    return details;
}

bool is_pruned(const volume::Volume& volume, const VolumePruneFilter& filter) {
    if (!filter.all && !volume.anonymous) return false;
    // As Docker: what somebody described by hand is not made again by the next container.
    if (volume.driver == volume::kLocal && !volume.options.empty()) return false;
    const auto has = [&](const std::string& label) { return has_label(volume.labels, label); };
    return std::ranges::all_of(filter.labels, has) && std::ranges::none_of(filter.without, has);
}

}  // namespace

void emit_volume(Context& context, const volume::Volume& volume, std::string action) {
    context.events.publish({.type = "volume",
                            .action = std::move(action),
                            .actor = volume.name,
                            .attributes = {{"driver", volume.driver}}});
}

void emit_mounts(Context& context, const Container& container, const std::string& action) {
    for (const MountPoint& mount : container.mounts) {
        if (mount.type != MountType::volume) continue;
        Event event{.type = "volume", .action = action, .actor = mount.name};
        event.attributes = {{"container", container.id}, {"driver", mount.driver}};
        if (action == "mount") {
            event.attributes["destination"] = mount.target;
            event.attributes["propagation"] = mount.propagation;
            event.attributes["read/write"] = mount.read_only ? "false" : "true";
        }
        context.events.publish(std::move(event));
    }
}

std::vector<Container> users_of_volume(Context& context, std::string_view volume) {
    std::vector<Container> users;
    for (const EntryPtr& entry : context.registry.all()) {
        auto live = entry->live.lock();
        if (!live->removed && mounts_volume(live->container, volume))
            users.push_back(live->container);
    }
    return users;
}

void remove_anonymous_volumes(Context& context, const std::vector<MountPoint>& mounts) {
    for (const auto& mount : mounts) {
        if (!mount.anonymous || !users_of_volume(context, mount.name).empty()) continue;
        if (const auto gone = remove_volume(context, mount.name);
            !gone && gone.error().kind() != ErrorKind::not_found)
            log_warn("volume {}: {}", mount.name, gone.error().message());
    }
}

Result<void> check_block_volumes(Context& context, const Container& container) {
    for (const auto& mount : container.mounts) {
        if (mount.type != MountType::volume || mount.driver != volume::kBlock) continue;
        for (const EntryPtr& entry : context.registry.all()) {
            if (entry->id == container.id || !holds_disk(*entry, mount)) continue;
            end_idle_vm(context, entry);
            if (!holds_disk(*entry, mount)) continue;
            const auto user = entry->live.lock()->container;
            return fail(ErrorKind::conflict,
                        "the block volume {} is in use by container {}, and has one writer at a "
                        "time: stop that container, or use a volume of the driver local",
                        mount.name, user.name);
        }
    }
    return {};
}

Result<void> use_volumes(Context& context, const Container& container) {
    for (const auto& mount : container.mounts) {
        if (mount.type != MountType::volume) continue;
        HAKO_TRY(const auto volume, context.volumes.find(mount.name));
        HAKO_CHECK(context.volume_mounts.use(volume, container.id));
    }
    return {};
}

Result<std::vector<MountPoint>> locate_mounts(Context& context, std::vector<MountPoint> mounts) {
    for (auto& mount : mounts) {
        std::error_code error;
        if (mount.type == MountType::bind) {
            HAKO_CHECK(make_bind_source(mount));
            if (std::filesystem::is_socket(mount.source, error)) mount.driver = kSocketMount;
        }
        if (mount.type == MountType::image) {
            HAKO_TRY(auto rootfs, context.world.images->rootfs(mount.name));
            mount.extents = std::move(rootfs.extents);
        }
        if (mount.type != MountType::volume) continue;
        HAKO_TRY(const auto volume, context.volumes.find(mount.name));
        mount.source = context.volumes.data(volume).string();
        mount.restrictions = volume::restrictions_of(volume);
        // Nothing to fill any more: a read-only share can be one on the host, too.
        std::error_code ignored;
        if (mount.driver != volume::kBlock && !std::filesystem::is_empty(mount.source, ignored))
            mount.copy_up = false;
    }
    return mounts;
}

Result<VolumeDetails> Engine::create_volume(volume::Volume wanted) {
    if (wanted.name.empty()) {
        wanted.name = random_id();
        wanted.anonymous = true;
        wanted.labels["com.docker.volume.anonymous"] = "";
    }
    const std::lock_guard in_use(context_->volume_use);
    HAKO_TRY(auto made, context_->volumes.create(std::move(wanted)));
    if (made.is_new) emit_volume(*context_, made.volume, "create");
    return details_of(*context_, std::move(made.volume), false);
}

Result<VolumeDetails> Engine::inspect_volume(std::string_view name) {
    HAKO_TRY(auto found, context_->volumes.find(name));
    return details_of(*context_, std::move(found), false);
}

Result<std::vector<VolumeDetails>> Engine::list_volumes(bool with_usage) {
    HAKO_TRY(auto volumes, context_->volumes.list());
    std::vector<VolumeDetails> list;
    for (auto& found : volumes) list.push_back(details_of(*context_, std::move(found), with_usage));
    return list;
}

Result<void> Engine::remove_volume(std::string_view name, bool force) {
    const std::lock_guard in_use(context_->volume_use);
    if (const auto known = context_->volumes.find(name); !known) {
        if (force && known.error().kind() == ErrorKind::not_found) return {};
        return fail(known.error());
    }
    std::string users;
    for (const auto& user : users_of_volume(*context_, name))
        users += fmt::format("{}{} ({})", users.empty() ? "" : ", ", user.id, user.name);
    if (!users.empty())
        return fail(ErrorKind::conflict, "remove {}: volume is in use - [{}]", name, users);
    return engine::remove_volume(*context_, name);
}

Result<Pruned> Engine::prune_volumes(const VolumePruneFilter& filter) {
    const std::lock_guard in_use(context_->volume_use);
    Pruned pruned;
    HAKO_TRY(const auto volumes, context_->volumes.list());
    for (const auto& volume : volumes) {
        if (!is_pruned(volume, filter) || !users_of_volume(*context_, volume.name).empty())
            continue;
        const auto bytes = context_->volumes.used_bytes(volume);
        HAKO_CHECK(engine::remove_volume(*context_, volume.name));
        pruned.ids.push_back(volume.name);
        pruned.reclaimed += bytes;
    }
    context_->events.publish({.type = "volume",
                              .action = "prune",
                              .attributes = {{"reclaimed", std::to_string(pruned.reclaimed)}}});
    return pruned;
}

}  // namespace hako::engine
