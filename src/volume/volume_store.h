// The volumes of a daemon: their records in its database, and their files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string_view>
#include <vector>

#include "store/database.h"
#include "volume/volume.h"

namespace hako::volume {

// Of a local volume, in its own.
constexpr std::string_view kDataFolder = "_data";

// Thread-safe. Who uses a volume is the engine's to know.
class VolumeStore {
public:
    // The database is borrowed. <folder>/<name>/_data is a local volume, <folder>/<name>/disk.ext4
    // a block one.
    VolumeStore(store::Database& database, std::filesystem::path folder);

    // Creates or upgrades the tables, and removes what a crash left. Before anything else.
    Result<void> open();

    struct Made {
        Volume volume;
        bool is_new = false;
    };
    // One that is there already is the answer when its driver is the same, else a conflict.
    Result<Made> create(Volume wanted);
    Result<Volume> find(std::string_view name);  // not_found
    Result<std::vector<Volume>> list();          // by name
    Result<void> remove(std::string_view name);

    // The folder that is shared, or the disk's file.
    std::filesystem::path data(const Volume& volume) const;
    // Bytes on the host's disk.
    std::uint64_t used_bytes(const Volume& volume) const;

private:
    std::filesystem::path home(std::string_view name) const { return folder_ / name; }
    Result<void> make_files(const Volume& volume) const;

    store::Database* database_;
    std::filesystem::path folder_;
    std::mutex changes_;
};

}  // namespace hako::volume
