// The file systems that volumes are (volume/file_system.h): mounted from a container's start to the
// end of the last one that uses them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/keyed_lock.h"
#include "base/result.h"
#include "volume/volume_store.h"

namespace hako::engine {

// Any thread may call anything.
class VolumeMounts {
public:
    explicit VolumeMounts(const volume::VolumeStore& volumes) : volumes_(volumes) {}

    // Returns when it is mounted; the container uses it until release(). A server that does not
    // answer keeps those waiting who want this volume, and nobody else. Nothing to do for volumes
    // that are folders or disks.
    Result<void> use(const volume::Volume& volume, const std::string& container);
    // Unmounts what nobody else uses.
    void release(const std::string& container);
    // What a daemon that was killed left mounted, and no container uses.
    void unmount_unused(const std::vector<volume::Volume>& all);

private:
    struct Use {
        volume::Volume volume;
        std::set<std::string> containers;
    };
    void unmount_if_unused(const volume::Volume& volume);

    const volume::VolumeStore& volumes_;
    KeyedLock mounting_;  // by the volume's name
    Guarded<std::map<std::string, Use>> uses_;
};

}  // namespace hako::engine
