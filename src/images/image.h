// What the image store tells about images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "oci/config.h"
#include "oci/platform.h"
#include "oci/registry_client.h"

namespace hako::images {

struct Image {
    std::string id;                         // "sha256:<hex>": the digest of its configuration
    std::vector<std::string> repo_tags;     // "busybox:latest", as people write them; sorted
    std::vector<std::string> repo_digests;  // "busybox@sha256:<hex of the manifest>"; sorted
    oci::ImageConfig config;
    std::string architecture;
    std::string os;
    std::string variant;
    std::string created;  // RFC 3339; may be empty
    std::string author;
    std::uint64_t size = 0;             // bytes of the unpacked layers together
    std::vector<std::string> diff_ids;  // "sha256:<hex>" of the uncompressed layers, lowest first
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
};
// Called from several threads, but never by two at once.
using ProgressSink = std::function<void(const Progress&)>;

using RegistryAuth = oci::RegistryAuth;

struct PullOptions {
    oci::Platform platform = oci::Platform::host();
    RegistryAuth auth = {};
    oci::RegistryOptions registry = {};
};

// A container that needs an image.
struct ImageUser {
    std::string container;  // its id
    bool running = false;
};

struct Removed {
    std::vector<std::string> untagged;  // familiar names
    std::vector<std::string> deleted;   // "sha256:<hex>" of images and layers
};

}  // namespace hako::images
