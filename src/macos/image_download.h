// Brings a recovery image, piece by piece over several connections. A piece counts once its sum is
// right; what is right in the file already is not fetched again.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>

#include "macos/chunklist.h"
#include "macos/recovery_server.h"

namespace hako::macos {

struct DownloadOptions {
    std::size_t connections = 4;
    int attempts = 5;  // of a piece, without any progress between
    std::chrono::milliseconds pause{1000};
};

// How many bytes of the image are here and right. Called by several threads, one at a time.
using DownloadProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Asks for new tokens when the ones at hand expired; must offer the same image.
using RenewOffer = std::function<Result<RecoveryOffer>()>;

// Writes into `file`, which may hold a part already. Not synced.
Result<void> download_image(oci::Transport& transport, const Chunklist& list,
                            const RecoveryOffer& offer, const RenewOffer& renew,
                            const std::filesystem::path& file, const DownloadOptions& options,
                            const DownloadProgress& progress, const std::stop_token& stop);

// The pieces of the file that are not there or wrong.
Result<std::vector<Chunk>> missing_chunks(const Chunklist& list, const std::filesystem::path& file);

}  // namespace hako::macos
