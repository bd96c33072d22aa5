// What a macOS machine boots from: flags of all commands that write a boot disk.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "macos/opencore_cache.h"
#include "macos/settings.h"

namespace hako::cli {

struct OpenCoreFlags {
    std::vector<std::string> sources;
    std::string sha256, list, mirror;

    void declare(Command& command);           // all
    void declare_download(Command& command);  // --opencore-list, --opencore-mirror
    void declare_list(Command& command);      // --opencore-list
    // As the variables OPENCORE, OPENCORE_SHA256, OPENCORE_LIST and OPENCORE_MIRROR, in their
    // place. ErrorKind::invalid.
    Result<void> add_to(macos::Variables& variables) const;
};

// What macos::find_opencore() finds in our cache. Tells what it downloads, also the progress.
Result<std::vector<macos::OpenCoreSource>> find_opencore(const Session& session,
                                                         const macos::Variables& variables,
                                                         macos::ProgressFile* progress = nullptr);
// Those of the flags alone.
Result<std::vector<macos::OpenCoreSource>> find_opencore(const Session& session,
                                                         const OpenCoreFlags& flags);
// The files of the variables' list, in the folder of recovery systems. Tells what it downloads.
Result<macos::OpenCoreCache> open_opencore_cache(const Session& session,
                                                 const macos::Variables& variables,
                                                 const std::filesystem::path& folder);

}  // namespace hako::cli
