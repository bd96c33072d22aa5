#include "engine/reset.h"

#include "engine/host_networks.h"
#include "runtime/sandbox_spec.h"
#include "store/file.h"
#include "volume/file_system.h"
#include "volume/volume_store.h"

namespace hako::engine {
namespace {

namespace fs = std::filesystem;

Result<void> end_machines(const Layout& layout) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(layout.sandboxes(), none)) {
        const auto spec = runtime::read_sandbox_spec(entry.path());
        // Without its description a VM is known by the folder alone, and its cgroup is not.
        const std::string id = spec ? spec->id : entry.path().filename().native();
        HAKO_CHECK(runtime::cleanup_sandbox(layout, id));
    }
    return {};
}

Result<void> remove_networks(const Layout& layout) {
    const auto host = open_network_source(layout);
    if (!host->permitted()) return {};
    HAKO_TRY(auto* links, host->links());
    HAKO_CHECK(links->recover({}));
    HAKO_TRY(auto* firewall, host->firewall());
    return firewall->remove();
}

Result<void> remove_whole(const fs::path& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return fail_errno(error.value(), "cannot remove {}", path.native());
    return {};
}

// Their files are not ours to remove.
Result<void> unmount_volumes(const Layout& layout) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(layout.volumes(), none))
        HAKO_CHECK(volume::unmount_volume(entry.path() / volume::kDataFolder));
    return {};
}

// The lock last: it is held.
Result<void> remove_files(const Layout& layout) {
    for (const auto& path : {layout.sandboxes(), layout.probe_verdict()})
        HAKO_CHECK(remove_whole(path));
    for (const auto& entry : fs::directory_iterator(layout.root()))
        if (entry.path() != layout.lock()) HAKO_CHECK(remove_whole(entry.path()));
    return remove_whole(layout.lock());
}

}  // namespace

Result<void> reset(const Layout& layout) {
    if (!fs::exists(layout.root())) return {};
    if (!fs::exists(layout.database()))
        return fail(ErrorKind::invalid, "{} has no hako.db, so it is not a daemon's: name its root",
                    layout.root().native());
    HAKO_TRY(const store::FileLock lock, store::FileLock::acquire(layout.lock()));
    HAKO_CHECK(end_machines(layout));
    HAKO_CHECK(remove_networks(layout));
    HAKO_CHECK(unmount_volumes(layout));
    return remove_files(layout);
}

}  // namespace hako::engine
