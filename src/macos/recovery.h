// The recovery systems that machines install from: fetched once, checked, shared by all machines.
//
//   <cache>/<version>/BaseSystem.dmg, BaseSystem.chunklist   whole and checked
//   <cache>/<version>/BaseSystem.dmg.partial                 a download that can go on
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "macos/chunklist.h"
#include "macos/image_download.h"
#include "macos/recovery_server.h"

namespace hako::macos {

struct RecoveryOptions {
    std::string server = std::string(kAppleServer);
    TrustedKeys keys = apple_keys();
    // Takes a chunklist that nobody trusted has signed: what boots may be anybody's.
    bool allow_unverified = false;
    std::function<void()> on_wait = {};  // once, when another process fetches the same image
    DownloadOptions download;
    oci::TransportOptions transport = {.connect_timeout = std::chrono::seconds(15),
                                       .stall_timeout = std::chrono::seconds(30)};
};

struct RecoveryImage {
    std::filesystem::path dmg;
    std::filesystem::path chunklist;
    bool is_signed = false;
    bool was_here = false;  // nothing was downloaded
};

// Any thread and any process may call anything: a version is fetched by one of them at a time.
class RecoveryCache {
public:
    RecoveryCache(std::filesystem::path folder, RecoveryOptions options)
        : folder_(std::move(folder)), options_(std::move(options)) {}

    // The image, downloaded when it is not here; waits for another process that fetches it.
    // ErrorKind::forbidden when its chunklist is not signed.
    Result<RecoveryImage> fetch(const Version& version, const DownloadProgress& progress,
                                const std::stop_token& stop);
    // Takes BaseSystem.dmg and BaseSystem.chunklist out of a folder, wholly checked.
    Result<RecoveryImage> import(const Version& version, const std::filesystem::path& from);
    // Puts both files into a folder, for import() elsewhere. ErrorKind::not_found before fetch().
    Result<void> export_to(const Version& version, const std::filesystem::path& to) const;

private:
    std::filesystem::path place(const Version& version) const { return folder_ / version.number; }
    Result<Chunklist> read_trusted(std::string_view text) const;
    Result<std::optional<RecoveryImage>> find(const Version& version) const;
    Result<void> download(const Version& version, const std::filesystem::path& place,
                          const DownloadProgress& progress, const std::stop_token& stop) const;

    std::filesystem::path folder_;
    RecoveryOptions options_;
};

}  // namespace hako::macos
