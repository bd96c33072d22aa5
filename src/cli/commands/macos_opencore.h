// What a macOS machine boots from: flags of all commands that write a boot disk.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "macos/opencore_cache.h"

namespace hako::cli {

struct OpenCoreFlags {
    std::vector<std::string> sources;
    std::string sha256, list, mirror;

    void declare(Command& command);           // all
    void declare_download(Command& command);  // --opencore-list, --opencore-mirror
    void declare_list(Command& command);      // --opencore-list
    bool names_download() const { return !list.empty() || !mirror.empty(); }
};

// The sources that the flags name; else the releases that lie in the daemon's folder; else those of
// the list, downloaded when they are not there yet.
Result<std::vector<macos::OpenCoreSource>> find_opencore(const Session& session,
                                                         const OpenCoreFlags& flags);
// Those of the list, in the folder of recovery systems. Tells what it downloads.
Result<macos::OpenCoreCache> open_opencore_cache(const Session& session, const OpenCoreFlags& flags,
                                                 const std::filesystem::path& folder);

}  // namespace hako::cli
