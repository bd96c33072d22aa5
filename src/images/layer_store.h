// Layers, unpacked once each, written to the disk for good by Settling: <folder>/<hex of the
// diff_id>/{data,index} as fsimage writes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/stream.h"
#include "fsimage/layer.h"
#include "fsimage/view.h"
#include "oci/digest.h"

namespace hako::images {

// Thread-safe: its state is the file system.
class LayerStore {
public:
    // Makes the folders, and removes what a crash left half-written.
    static Result<LayerStore> open(const std::filesystem::path& folder,
                                   const fsimage::LayerLimits& limits = {});

    const std::filesystem::path& folder() const { return folder_; }
    const fsimage::LayerLimits& limits() const { return limits_; }
    bool has(const oci::Digest& diff_id) const;
    fsimage::LayerFiles files(const oci::Digest& diff_id) const;
    // Bytes that the layer's files take.
    Result<std::uint64_t> size(const oci::Digest& diff_id) const;

    // A layer that is unpacked, but not in the store yet; goes away unless it is committed.
    class Pending {
    public:
        // ErrorKind::corrupt when the content is not what the image's configuration promised.
        Result<void> commit(const oci::Digest& expected) &&;
        const std::string& diff_id() const { return diff_id_; }  // "sha256:<hex>"
        fsimage::LayerFiles files() const;

    private:
        friend class LayerStore;
        Pending(TempDir folder, std::string diff_id, std::filesystem::path store)
            : folder_(std::move(folder)), diff_id_(std::move(diff_id)), store_(std::move(store)) {}
        TempDir folder_;
        std::string diff_id_;
        std::filesystem::path store_;
    };
    // Reads the tar (plain, gzip or zstd) to its end.
    Result<Pending> unpack(Reader& tar) const;

    Result<void> remove(const oci::Digest& diff_id) const;
    Result<std::vector<oci::Digest>> list() const;
    // What is neither a layer nor, while nothing is unpacked, of any use.
    Result<std::vector<std::filesystem::path>> strays() const;

private:
    LayerStore(std::filesystem::path folder, const fsimage::LayerLimits& limits)
        : folder_(std::move(folder)), limits_(limits) {}
    std::filesystem::path folder_of(const oci::Digest& diff_id) const;

    std::filesystem::path folder_;
    fsimage::LayerLimits limits_;
};

}  // namespace hako::images
