// A macOS machine as hakod asks its shim for it (docs/macos.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "macos/disk_place.h"
#include "macos/opencore_cache.h"
#include "macos/opencore_files.h"
#include "macos/settings.h"

namespace hako::macos {

// Where the viewer is to be; port 0 is a free one.
struct ViewerPlace {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;
};

struct MachineRequest {
    std::string name;               // of its container, for people
    Variables variables;            // parse_settings() takes them
    std::filesystem::path storage;  // of its disks
    DiskFolders disk_folders = {};  // of those that lie elsewhere
    std::filesystem::path cache;    // recovery systems, and OpenCore releases in kOpenCoreFolder
    std::optional<std::filesystem::path> opencore = {};  // mounted, instead of the cache's
    std::optional<std::filesystem::path> from = {};      // a snapshot's folder, to begin with
    std::optional<std::filesystem::path> recovery = {};  // a .dmg, instead of Apple's
    std::optional<std::filesystem::path> custom_config = {};
    std::optional<std::filesystem::path> share = {};
    std::vector<ViewerPlace> viewer = {ViewerPlace{}};
    std::vector<PortForward> ports = {};  // of IPv6 addresses, too, and those of its variables
    std::string api;                      // hakod, for the viewer's power buttons
};
Json to_json(const MachineRequest& request);
Result<MachineRequest> machine_request_from_json(const Json& json);

// As the config.json of a container that is a machine: the request is an annotation.
std::string machine_config(const MachineRequest& request);
Result<MachineRequest> machine_request_of(std::string_view config);

// Of the cache: releases that the user put there, and what OpenCoreCache fetches.
constexpr std::string_view kOpenCoreFolder = "opencore";
constexpr std::string_view kFetchedOpenCoreFolder = "opencore-fetched";

// What the machine boots from, where the user has it: the paths of the variable OPENCORE, with
// colons between them; else what is mounted; else, unless a list or mirror is named, the cache's
// folder of releases. Empty where there is none: then it is what OpenCoreCache fetches.
// ErrorKind::invalid, not_found.
Result<std::vector<OpenCoreSource>> named_opencore(const MachineRequest& request);
// Those, or what OpenCoreCache fetches.
Result<std::vector<OpenCoreSource>> find_opencore(const MachineRequest& request,
                                                  OpenCoreWatch watch, const std::stop_token& stop);
// The variables OPENCORE_LIST and OPENCORE_MIRROR.
Result<OpenCoreOptions> opencore_options(const Variables& variables);

// The variable RECOVERY. ErrorKind::invalid, not_found.
Result<std::optional<std::filesystem::path>> named_recovery(const Variables& variables);

// Of a new machine: whether the files of the host that its variables name are there, and its sum is
// one. ErrorKind::invalid, not_found.
Result<void> check_named_files(const Variables& variables);

}  // namespace hako::macos
