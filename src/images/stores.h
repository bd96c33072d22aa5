// What pull, load, remove and the views work on together.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "images/catalog.h"
#include "images/garbage.h"
#include "images/keyed_lock.h"
#include "images/layer_store.h"
#include "images/progress.h"
#include "oci/content_store.h"
#include "oci/manifest.h"

namespace hako::images {

struct Stores {
    oci::ContentStore content;
    LayerStore layers;
    Catalog catalog;
    std::filesystem::path views;
    KeyedLock busy = {};  // keys: diff_ids being unpacked, ids whose view is being written
    Garbage garbage{[this] { sweep(); }};

    std::filesystem::path view_of(const oci::Digest& id) const {
        return views / (id.hex + ".erofs");
    }

private:
    // Removes blobs, layers and views that the catalog does not name. Failures are logged only.
    void sweep();
    Result<void> sweep_blobs();
    Result<void> sweep_layers();
    Result<void> sweep_views();
};

// An image whose manifest and configuration are in the content store.
struct StoredImage {
    oci::Descriptor manifest;
    oci::Manifest content;
    oci::ImageDescription description;
    std::set<oci::Digest> more_blobs = {};  // such as the index that led to the manifest
};

// Reads the configuration that the manifest names, and checks that both fit together.
Result<StoredImage> read_stored_image(const Stores& stores, oci::Descriptor manifest,
                                      oci::Manifest content);
// Records the image once all its layers are there, and gives it the names.
Result<void> register_image(Stores& stores, const StoredImage& image,
                            const std::vector<oci::Reference>& names);

}  // namespace hako::images
