// What the image store tells about images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/units.h"
#include "fsimage/layer.h"
#include "oci/config.h"
#include "oci/manifest.h"
#include "oci/platform.h"
#include "oci/registry_client.h"

namespace hako::images {

struct Image {
    std::string id;                      // "sha256:<hex>": the digest of its configuration
    oci::Descriptor manifest;            // that it came with
    std::uint64_t content_size = 0;      // bytes of manifest, configuration and compressed layers
    std::vector<std::string> repo_tags;  // "busybox:latest", as people write them; sorted
    std::vector<std::string> repo_digests;  // "busybox@sha256:<hex of the manifest>"; sorted
    oci::ImageConfig config;
    std::string architecture;
    std::string os;
    std::string variant;
    std::string created;   // RFC 3339; may be empty
    WallTime tagged = {};  // when it last got a name; unset without one
    std::string author;
    std::uint64_t size = 0;             // bytes of the unpacked layers together
    std::vector<std::string> diff_ids;  // "sha256:<hex>" of the uncompressed layers, lowest first
    std::vector<std::uint64_t> layer_sizes;  // of them, unpacked; 0 for one that is lost
    Json history;
};

// Metadata first, then the layers' data: their concatenation is the read-only disk.
struct Rootfs {
    std::vector<std::filesystem::path> extents;
};

// One line of Docker's progress stream. id is a layer's short digest, a tag, or empty for lines
// about the whole ("Status: ..."). total 0: not known.
struct Progress {
    std::string id;
    std::string status;
    std::uint64_t current = 0;
    std::uint64_t total = 0;
    Json result = nullptr;  // for programs; shown to nobody
};
// Called from several threads, but never by two at once.
using ProgressSink = std::function<void(const Progress&)>;

using RegistryAuth = oci::RegistryAuth;
using LayerLimits = fsimage::LayerLimits;

struct PullOptions {
    std::optional<oci::Platform> platform = {};  // none: the host's
    bool all_platforms = false;                  // every one that the index offers
    RegistryAuth auth = {};
    oci::RegistryOptions registry = {};
};

struct PushOptions {
    std::optional<oci::Platform> platform = {};  // none: all, where all of them are here
    RegistryAuth auth = {};
    oci::RegistryOptions registry = {};
};

// A container that needs an image.
struct ImageUser {
    std::string container;  // its id
    bool running = false;
};

struct RemoveOptions {
    bool force = false;
    std::optional<oci::Platform> platform = {};  // only this one of a name's images
};

struct Removed {
    std::vector<std::string> untagged;  // familiar names
    std::vector<std::string> deleted;   // "sha256:<hex>" of images and layers
};

struct SaveOptions {
    std::optional<oci::Platform> platform = {};  // only this one of a name's images
    bool docker_manifest = true;                 // with manifest.json, besides the OCI layout
};

struct ImportOptions {
    std::optional<oci::Reference> name = {};     // none: the image is known by its id
    std::optional<oci::Platform> platform = {};  // none: the host's
    std::vector<std::string> changes = {};       // oci/config_change.h
    std::string message = {};                    // of the history's one line
};

// A container's changes on top of its image.
struct CommitOptions {
    std::string base;                         // the image's id: "sha256:<hex>"
    std::optional<oci::Reference> name = {};  // none: the image is known by its id
    Json config = Json::object();             // of the new image (image-spec, config.md)
    std::string author = {};
    std::string comment = {};
    std::string created_by = {};  // of the history's new line
};

struct CheckOptions {
    bool repair = false;
    std::stop_token stop = {};
};

// What a check looked at, and what was wrong.
struct CheckReport {
    struct Finding {
        std::string subject;  // "blob sha256:...", "image 0123456789ab", a path
        std::string problem;
        std::string remedy;  // what was done; empty when it was only looked at
    };
    std::size_t images = 0, blobs = 0, layers = 0, views = 0;
    bool leftovers_skipped = false;  // because a pull or a load went on
    std::vector<Finding> findings;
};

}  // namespace hako::images
