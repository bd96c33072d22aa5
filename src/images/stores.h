// What pull, load, remove and the views work on together.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/keyed_lock.h"
#include "base/result.h"
#include "images/catalog.h"
#include "images/garbage.h"
#include "images/layer_store.h"
#include "images/progress.h"
#include "images/settling.h"
#include "oci/content_store.h"
#include "oci/manifest.h"

namespace hako::images {

struct Stores {
    oci::ContentStore content;
    LayerStore layers;
    Catalog catalog;
    std::filesystem::path views;
    std::filesystem::path unsettled;
    KeyedLock busy = {};  // keys: diff_ids being unpacked, ids whose view is being written
    Garbage garbage{[this] { sweep(); }};
    Settling settling{unsettled, [this](const oci::Digest& image) { return files_of(image); }};

    std::filesystem::path view_of(const oci::Digest& id) const {
        return views / (id.hex + ".erofs");
    }
    // The files of an image's layers, the lowest first.
    Result<std::vector<fsimage::LayerFiles>> layers_of(const oci::Digest& id) const;

    // What the catalog does not name and no crash should have left. Of use while nothing comes in.
    struct Leftovers {
        std::vector<oci::Digest> blobs;
        std::vector<oci::Digest> layers;
        std::vector<std::filesystem::path> files;  // and folders
    };
    Result<Leftovers> leftovers() const;
    // Bytes that all of it takes on the disk.
    std::uint64_t disk_usage() const;

private:
    Result<std::vector<std::filesystem::path>> files_of(const oci::Digest& image) const;
    // Removes the leftovers. Failures are logged only.
    void sweep();
    Result<void> remove_leftovers();
};

// An image whose manifest and configuration are in the content store.
struct StoredImage {
    oci::Descriptor manifest;
    oci::Manifest content;
    oci::ImageDescription description;
    oci::Platform platform;                 // as its index says, else as the configuration does
    std::optional<oci::Digest> index = {};  // that led to the manifest
};

// Reads the configuration that the manifest names, and checks that both fit together. The platform
// is the one of the manifest's descriptor, where that has one.
Result<StoredImage> read_stored_image(const Stores& stores, oci::Descriptor manifest,
                                      oci::Manifest content);
// Writes the merged view of an image with these layers, the lowest first, unless it is there.
Result<void> make_view(Stores& stores, const oci::Digest& image,
                       const std::vector<fsimage::LayerFiles>& layers);
// Makes the view of an image whose layers are all there, records it and gives it the names. Its
// files go to the disk in the background.
Result<void> register_image(Stores& stores, const StoredImage& image,
                            const std::vector<oci::Reference>& names);

}  // namespace hako::images
